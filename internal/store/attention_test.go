package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// at is a moment of the tests of this file.
func at(n int) time.Time {
	return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

// say writes one write at a moment and fails the test if it can not.
func (b *bundle) say(t *testing.T, n int, d worklog.Draft, change func(*store.Write)) store.Result {
	t.Helper()
	w := b.write(d)
	w.Facts.LoggedAt = at(n)
	if change != nil {
		change(&w)
	}
	results, _, err := b.Append(b.ctx, store.Batch{Now: at(n), Writes: []store.Write{w}})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func running(key string) worklog.Draft {
	return worklog.Draft{Title: key, Key: key, Tool: "Bash", Status: worklog.StatusWorking, Conversation: "c"}
}

func (b *bundle) ended(key string, s worklog.Status) worklog.Draft {
	return worklog.Draft{Title: key, Key: key, Tool: "Bash", Status: s, Conversation: "c"}
}

func (b *bundle) conversation(t *testing.T) store.Conversation {
	t.Helper()
	c, err := b.ConversationByKey(b.ctx, b.user.ID, "c")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheCountOfAskingStepsIsThatOfTheRowsWhateverComes(t *testing.T) {
	b := setup(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var ended [12]int // a key that has ended is followed by a new one
	for n := range 150 {
		step := rng.IntN(len(ended))
		key := fmt.Sprint("k", step, "/", ended[step])
		switch rng.IntN(5) {
		case 0, 1:
			b.say(t, n, running(key), nil)
		case 2:
			b.say(t, n, running(key), func(w *store.Write) { w.Facts.AskedAt = at(rng.IntN(150)) })
		case 3:
			b.say(t, n, running(key), func(w *store.Write) { w.Facts.AnsweredAt = at(rng.IntN(150)) })
		default:
			b.say(t, n, b.ended(key, worklog.StatusWarning), func(w *store.Write) { w.Facts.Inferred = rng.IntN(2) == 0 })
			ended[step]++
		}
		rows := one[int64](t, b, "SELECT count(*) FROM work_logs WHERE asked_at IS NOT NULL AND status = 'working'")
		if c := b.conversation(t); c.AskingCount != rows || rows != one[int64](t, b, "SELECT count(*) FROM work_logs WHERE asked_at IS NOT NULL") {
			t.Fatalf("after %d writes: %d asking steps counted, %d rows", n, c.AskingCount, rows)
		}
	}
	if n := one[int](t, b, "SELECT count(*) FROM work_logs WHERE status <> 'working'"); n == 0 {
		t.Error("no step has ended: nothing is proven")
	}
}

func TestWhatWasSaidLaterStandsInWhateverOrderItArrives(t *testing.T) {
	b := setup(t)
	moves := []store.Move{
		{At: at(1), Turn: store.TurnAgent, Prompt: true}, {At: at(2), Turn: store.TurnAsked}, {At: at(3), Turn: store.TurnAgent}, {At: at(4), Turn: store.TurnUser},
	}
	for i := range 10 {
		key := fmt.Sprint("c", i)
		for _, k := range rand.New(rand.NewPCG(uint64(i), 7)).Perm(len(moves)) {
			b.say(t, 10, worklog.Draft{Title: fmt.Sprint(k), Conversation: key}, func(w *store.Write) { w.Move = moves[k] })
		}
		c, err := b.ConversationByKey(b.ctx, b.user.ID, key)
		if err != nil || c.Turn != store.TurnUser || !c.PromptedAt.Equal(at(1)) {
			t.Errorf("%v, %+v", err, c)
		}
	}
}

func TestWhatSaysNothingNewMovesNothing(t *testing.T) {
	b := setup(t)
	move := func(n int, turn store.Turn, resumes bool) func(*store.Write) {
		return func(w *store.Write) { w.Move = store.Move{At: at(n), Turn: turn, Resumes: resumes} }
	}
	b.say(t, 1, running("k"), move(1, store.TurnAgent, false))
	b.say(t, 2, worklog.Draft{Title: "done", Conversation: "c"}, move(2, store.TurnUser, false))
	b.say(t, 3, running("k"), move(3, store.TurnAgent, false)) // the same hook once more
	if c := b.conversation(t); c.Turn != store.TurnUser {
		t.Errorf("turn %q", c.Turn)
	}
	b.say(t, 4, b.ended("k", worklog.StatusSuccess), move(4, store.TurnAgent, true)) // an end in the background
	if c := b.conversation(t); c.Turn != store.TurnUser {
		t.Errorf("turn %q", c.Turn)
	}
	b.say(t, 5, worklog.Draft{Title: "may I", Conversation: "c"}, move(5, store.TurnAsked, false))
	b.say(t, 6, worklog.Draft{Title: "it went on", Conversation: "c"}, move(6, store.TurnAgent, true))
	if c := b.conversation(t); c.Turn != store.TurnAgent {
		t.Errorf("turn %q", c.Turn)
	}
}

func TestAStepMayBeSilentForAsLongAsItsToolEverTook(t *testing.T) {
	b := setup(t)
	patience := func(n int, key string) time.Duration {
		t.Helper()
		return b.say(t, n, running(key), nil).Row.SilentAfter
	}
	if p := patience(0, "a"); p != 5*time.Minute {
		t.Errorf("of a tool that never ran: %v", p)
	}
	b.say(t, 2, b.ended("a", worklog.StatusSuccess), nil)
	if p := patience(10, "b"); p != time.Minute {
		t.Errorf("of a quick tool: %v", p)
	}
	b.say(t, 10+900, b.ended("b", worklog.StatusError), nil)
	if p := patience(1000, "c"); p != 15*time.Minute {
		t.Errorf("of a tool that took a quarter of an hour: %v", p)
	}
	b.say(t, 9000, b.ended("c", worklog.StatusWarning), func(w *store.Write) { w.Facts.Inferred = true })
	b.say(t, 9000, running("d"), func(w *store.Write) { w.Facts.AskedAt = at(9000) })
	b.say(t, 20_000, b.ended("d", worklog.StatusSuccess), nil)
	if p := patience(20_000, "e"); p != 15*time.Minute {
		t.Errorf("an end that nobody reported, or a step that waited for a person, has taught %v", p)
	}
	if r, err := b.Entry(b.ctx, b.user.ID, one[string](t, b, "SELECT id::text FROM work_logs WHERE key = 'e'")); err != nil || r.SilentAfter != 15*time.Minute {
		t.Errorf("%v, read back: %v", err, r.SilentAfter)
	}
}

func TestTheToolsOfAnOwnerAreBounded(t *testing.T) {
	b := setup(t)
	if _, err := b.raw.Exec(b.ctx, "INSERT INTO tool_times SELECT $1, 'tool' || n, 1 FROM generate_series(1, 500) n", b.user.ID); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"another", "tool7"} {
		d := worklog.Draft{Title: "x", Key: tool, Tool: tool, Status: worklog.StatusWorking}
		b.say(t, 0, d, nil)
		d.Status = worklog.StatusSuccess
		b.say(t, 100, d, nil)
	}
	if n := one[int](t, b, "SELECT count(*) FROM tool_times"); n != 500 {
		t.Errorf("%d tools", n)
	}
	if ms := one[int](t, b, "SELECT longest_ms FROM tool_times WHERE tool = 'tool7'"); ms != 100_000 {
		t.Errorf("the longest time of a known tool is %d ms", ms)
	}
}

func TestAConversationIsSilentWhenAllOfItIs(t *testing.T) {
	b := setup(t)
	b.say(t, 0, worklog.Draft{Title: "long", Key: "l", Tool: "Build", Status: worklog.StatusWorking, Conversation: "c"}, nil)
	b.say(t, 1800, worklog.Draft{Title: "long", Key: "l", Tool: "Build", Status: worklog.StatusSuccess, Conversation: "c"}, nil)
	b.say(t, 2000, worklog.Draft{Title: "long", Key: "m", Tool: "Build", Status: worklog.StatusWorking, Conversation: "c"}, nil)
	b.say(t, 2001, running("quick"), nil)
	c := b.conversation(t)
	if !c.SilentAt.Equal(at(2001 + 1800)) {
		t.Errorf("silent from %v", c.SilentAt.Sub(at(0)))
	}
	if s := c.State(at(3800)); s != worklog.StateRunning {
		t.Errorf("state %q", s)
	}
	if s := c.State(at(3802)); s != worklog.StateSilent {
		t.Errorf("state %q", s)
	}
	if rows, err := b.Running(b.ctx, b.user.ID, c.ID); err != nil || len(rows) != 2 || rows[0].Key != "m" || rows[1].Key != "quick" {
		t.Errorf("%v, %+v", err, rows)
	}
}

// The list and the row say the same at the same time: as long as the tool ever took after the last sign of life.
func TestAConversationIsSilentWhenItsOnlyStepIs(t *testing.T) {
	b := setup(t)
	silentAfter := func(n int) {
		t.Helper()
		c := b.conversation(t)
		rows, err := b.Running(b.ctx, b.user.ID, c.ID)
		if err != nil || len(rows) != 1 || !c.SilentAt.Equal(rows[0].UpdatedAt.Add(rows[0].SilentAfter)) || !c.SilentAt.Equal(at(n)) {
			t.Errorf("silent from %v, the row: %+v, %v", c.SilentAt.Sub(at(0)), rows, err)
		}
	}
	b.say(t, 0, running("a"), nil)
	silentAfter(300) // it never ran here
	b.say(t, 2, b.ended("a", worklog.StatusSuccess), nil)
	if c := b.conversation(t); !c.SilentAt.Equal(at(302)) {
		t.Errorf("an agent that thinks is silent from %v", c.SilentAt.Sub(at(0)))
	}
	b.say(t, 10, running("b"), nil)
	silentAfter(70)
	b.say(t, 40, worklog.Draft{Title: "b", Key: "b", Tool: "Bash", Status: worklog.StatusWorking, Conversation: "c", Details: "half"}, nil)
	silentAfter(100)
	b.say(t, 50, worklog.Draft{Title: "something else", Conversation: "c"}, nil)
	if c := b.conversation(t); !c.SilentAt.Equal(at(110)) {
		t.Errorf("after other news it is silent from %v", c.SilentAt.Sub(at(0)))
	}
}

func TestTheMostPressingStateIsTold(t *testing.T) {
	t.Parallel()
	c := func(change func(*store.Conversation)) store.Conversation {
		x := store.Conversation{LastStatus: worklog.StatusInfo, SilentAt: at(60)}
		x.EntryCount = 3
		change(&x)
		return x
	}
	for want, list := range map[worklog.State][]store.Conversation{
		worklog.StateNeedsYou: {
			c(func(x *store.Conversation) { x.AskingCount, x.WorkingCount, x.Turn = 1, 2, store.TurnFailed }),
			c(func(x *store.Conversation) { x.Turn, x.WorkingCount = store.TurnAsked, 1 }),
		},
		worklog.StateFailed: {
			c(func(x *store.Conversation) { x.Turn, x.WorkingCount = store.TurnFailed, 1 }),
			c(func(x *store.Conversation) { x.LastStatus = worklog.StatusError }),
		},
		worklog.StateRunning: {
			c(func(x *store.Conversation) { x.Turn, x.LastStatus = store.TurnAgent, worklog.StatusError }),
			c(func(x *store.Conversation) { x.Turn, x.WorkingCount = store.TurnUser, 1 }),
		},
		worklog.StateSilent:   {c(func(x *store.Conversation) { x.WorkingCount, x.SilentAt = 1, at(9) })},
		worklog.StateYourTurn: {c(func(x *store.Conversation) { x.Turn, x.LastStatus = store.TurnUser, worklog.StatusError })},
		worklog.StateQuiet:    {c(func(*store.Conversation) {})},
	} {
		for i, x := range list {
			if got := x.State(at(10)); got != want {
				t.Errorf("%s, %d: %s", want, i, got)
			}
		}
	}
}

func TestAQuestionGoesWithItsEntry(t *testing.T) {
	b := setup(t)
	b.say(t, 0, running("k"), func(w *store.Write) { w.Facts.AskedAt = at(0) })
	b.say(t, 0, running("other"), nil)
	seq := one[int64](t, b, "SELECT seq FROM work_logs WHERE key = 'k'")
	moved, _, err := b.DeleteEntries(b.ctx, b.user.ID, []int64{seq}, store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Until: at(1), Now: at(1)})
	if err != nil || moved.Entries != 1 {
		t.Fatalf("%v, %+v", err, moved)
	}
	if c := b.conversation(t); c.AskingCount != 0 || c.WorkingCount != 1 {
		t.Errorf("%d steps ask, %d run", c.AskingCount, c.WorkingCount)
	}
}

func TestWhoAsksIsInAListThatIsTooShortForIt(t *testing.T) {
	b := setup(t)
	b.say(t, 0, worklog.Draft{Title: "long ago", Conversation: "old"}, func(w *store.Write) { w.Move = store.Move{Turn: store.TurnAsked, At: at(0)} })
	b.say(t, 100, running("k"), func(w *store.Write) { w.Facts.AskedAt = at(100) })
	b.say(t, 101, worklog.Draft{Title: "may I", Conversation: "m"}, func(w *store.Write) { w.Move = store.Move{Turn: store.TurnAsked, At: at(101)} })
	for n := range 5 {
		b.say(t, 200+n, worklog.Draft{Title: "x", Conversation: fmt.Sprint("n", n)}, nil)
	}
	for want, since := range map[string]time.Time{"n4 n3 n2 n1": {}, "n4 n3 m c": at(50), "n4 m c old": at(-50)} {
		list, _, err := b.Conversations(b.ctx, store.ConversationQuery{Viewer: b.user.ID, Limit: 4, PressingSince: since})
		var keys []string
		for _, c := range list {
			keys = append(keys, c.Key)
		}
		if got := strings.Join(keys, " "); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestTheLastThatFailedAreInAListThatIsTooShortForThem(t *testing.T) {
	b := setup(t)
	failed := worklog.Draft{Title: "x", Status: worklog.StatusError}
	for n := range 7 {
		failed.Conversation = fmt.Sprint("f", n)
		b.say(t, n, failed, nil)
	}
	b.say(t, 10, worklog.Draft{Title: "gave up", Conversation: "g"}, func(w *store.Write) { w.Move = store.Move{Turn: store.TurnFailed, At: at(10)} })
	failed.Conversation = "put away"
	b.say(t, 11, failed, nil)
	if _, err := b.raw.Exec(b.ctx, "UPDATE conversations SET archived_at = now() WHERE key = 'put away'"); err != nil {
		t.Fatal(err)
	}
	b.say(t, 12, worklog.Draft{Title: "x", Status: worklog.StatusError, Conversation: "done"}, func(w *store.Write) { w.Move = store.Move{Turn: store.TurnUser, At: at(12)} })
	for n := range 10 {
		b.say(t, 200+n, worklog.Draft{Title: "x", Conversation: fmt.Sprint("n", n)}, nil)
	}
	for want, since := range map[string]time.Time{"n9 n8 n7 n6 n5 n4 n3": {}, "n9 n8 g f6 f5 f4 f3": at(-50), "n9 n8 n7 n6 n5 g f6": at(6), "n9 n8 n7 n6 n5 n4 n3 ": at(100)} {
		list, _, err := b.Conversations(b.ctx, store.ConversationQuery{Viewer: b.user.ID, Limit: 7, PressingSince: since})
		var keys []string
		for _, c := range list {
			keys = append(keys, c.Key)
		}
		if got := strings.Join(keys, " "); err != nil || got != strings.TrimSpace(want) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
