package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// clock is time that only the test moves; limiter, debounce and write path look at nothing else.
type clock struct {
	offset  atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *clock) now() time.Time {
	if at := c.stopped.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(c.offset.Load()))
}
func (c *clock) move(d time.Duration) {
	c.offset.Add(int64(d))
	if at := c.stopped.Load(); at != nil {
		c.stopped.Store(new(at.Add(d)))
	}
}
func (c *clock) stop() { c.stopped.Store(new(c.now())) }

// faulty is the real store with errors put in front.
type faulty struct {
	*store.Store
	mu      sync.Mutex
	errs    []error
	hang    chan struct{} // Append waits for it
	batches atomic.Int64
	asked   func() // called after Untold has read
	// locked gets each owner that somebody else has locked.
	locked chan int64
}

func (f *faulty) Untold(ctx context.Context) (map[int64]store.Untold, error) {
	list, err := f.Store.Untold(ctx)
	if f.asked != nil {
		f.asked()
	}
	return list, err
}

func (f *faulty) Append(ctx context.Context, b store.Batch) ([]store.Result, []int64, error) {
	f.batches.Add(1)
	f.mu.Lock()
	var err error
	if len(f.errs) > 0 {
		err, f.errs = f.errs[0], f.errs[1:]
	}
	hang := f.hang
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err != nil {
		return nil, nil, err
	}
	results, locked, err := f.Store.Append(ctx, b)
	for _, owner := range locked {
		select {
		case f.locked <- owner:
		default:
		}
	}
	return results, locked, err
}

type bundle struct {
	*ingest.Service
	ctx     context.Context
	dsn     string
	store   *faulty
	clock   *clock
	limiter *limit.Limiter
	me      *account.Principal
	hints   chan int64
	stop    func()
}

const perMinute = 5

// patience is how long a request may wait for its commit: longer than a busy machine is at a stand.
const patience = 30 * time.Second

func setup(t *testing.T) *bundle {
	t.Helper()
	return setupWith(t, func(*ingest.Options) {})
}

// setupWith is setup with other options.
func setupWith(t *testing.T, change func(*ingest.Options)) *bundle {
	t.Helper()
	t.Parallel()
	dsn := storetest.DSN(t)
	b := &bundle{ctx: t.Context(), dsn: dsn, store: &faulty{Store: storetest.Open(t, dsn), locked: make(chan int64, 1)}, clock: &clock{}, hints: make(chan int64, 1000)}
	b.limiter = limit.New(limit.Options{PerMinute: perMinute, Import: 10, Now: b.clock.now})
	b.me = b.user(t, "ann@example.org")
	o := ingest.Options{Patience: patience, Log: slog.New(slog.DiscardHandler), Now: b.clock.now}
	change(&o)
	b.Service = ingest.New(b.store, b.store, b.limiter, func(owner int64) { b.hints <- owner }, o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	b.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(b.stop)
	return b
}

func (b *bundle) user(t *testing.T, email string) *account.Principal {
	t.Helper()
	u, err := b.store.CreateUser(b.ctx, email, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return &account.Principal{User: u, Session: email}
}

// token returns a principal for a token of the bundle's user.
func (b *bundle) token(t *testing.T, id string, scopes ...account.Scope) *account.Principal {
	t.Helper()
	return &account.Principal{User: b.me.User, Token: &account.Token{ID: id, OwnerID: b.me.User.ID, Scopes: scopes}}
}

func (b *bundle) append(t *testing.T, p *account.Principal, drafts ...worklog.Draft) []worklog.Receipt {
	t.Helper()
	receipts, err := b.Append(b.ctx, p, drafts)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return receipts
}

func outcomes(receipts []worklog.Receipt) string {
	var list []string
	for _, r := range receipts {
		list = append(list, string(r.Outcome))
	}
	return strings.Join(list, " ")
}

func wantOutcomes(t *testing.T, receipts []worklog.Receipt, want string) {
	t.Helper()
	if got := outcomes(receipts); got != want {
		t.Fatalf("outcomes %q, want %q (%+v)", got, want, receipts)
	}
}

// flushed stops the write path, which writes every count, and returns the user's totals and entries.
func (b *bundle) flushed(t *testing.T) (worklog.Stats, []store.Row) {
	t.Helper()
	b.stop()
	stats, err := b.store.Stats(b.ctx, b.me.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.store.Entries(b.ctx, store.EntryQuery{Owner: b.me.User.ID, Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	return stats, page.Rows
}

func drafts(n int, conversation string) (list []worklog.Draft) {
	for i := range n {
		list = append(list, worklog.Draft{Title: fmt.Sprintf("step %d", i), Conversation: conversation})
	}
	return list
}

func TestOverTheLimitTheWriterGetsAStandInAndThePageSaysHowMany(t *testing.T) {
	b := setup(t)
	receipts := b.append(t, b.me, drafts(perMinute+3, "c")...)
	wantOutcomes(t, receipts, strings.Repeat("stored ", perMinute)+"limited limited limited")
	last := receipts[perMinute]
	if last.Entry == nil || last.Entry.ID != "" || last.Entry.Title != "step 5" || last.RetryAfter < 1 || last.RetryAfter > 60 {
		t.Errorf("stand-in %+v", last)
	}
	stats, rows := b.flushed(t)
	if stats.Limited != 3 || stats.Stored != perMinute+1 || stats.Received != perMinute+3+1 {
		t.Errorf("stats %+v", stats)
	}
	note := rows[0]
	if note.Title != "3 entries suppressed (limit: 5 a minute)" || note.Status != worklog.StatusWarning || note.Source != worklog.SourceWorklog || note.ConversationID != rows[1].ConversationID {
		t.Errorf("note %+v", note)
	}
}

func TestPlacesComeBackAfterAMinute(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, drafts(perMinute, "")...)
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "too much"}), "limited")
	b.clock.move(time.Minute)
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "later"}), "stored")
}

func TestKnownKeysCostNothing(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusWorking})
	b.append(t, b.me, drafts(perMinute-1, "")...)
	receipts := b.append(t, b.me, worklog.Draft{Title: "new", Key: "other"}, worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess})
	wantOutcomes(t, receipts, "limited updated")
	if receipts[1].Entry.Status != worklog.StatusSuccess {
		t.Errorf("entry %+v", receipts[1].Entry)
	}
}

// Nothing is limited while a place is free: known keys in front of new drafts must not use places up.
func TestKnownKeysInABatchLeavePlacesToNewOnes(t *testing.T) {
	b := setup(t)
	var batch []worklog.Draft
	for i := range perMinute {
		batch = append(batch, worklog.Draft{Title: "k", Key: fmt.Sprint(i)})
	}
	b.append(t, b.me, batch...)
	b.clock.move(time.Minute)
	batch = append(batch, drafts(perMinute, "")...)
	wantOutcomes(t, b.append(t, b.me, batch...), strings.Repeat("unchanged ", perMinute)+strings.TrimSpace(strings.Repeat("stored ", perMinute)))
}

func TestIdenticalDraftsWithinASecondAreMerged(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	same := worklog.Draft{Title: "retrying", Conversation: "c"}
	receipts := b.append(t, b.me, same, same, worklog.Draft{Title: "retrying", Conversation: "other"})
	wantOutcomes(t, receipts, "stored merged stored")
	wantOutcomes(t, b.append(t, b.me, same), "merged")
	if receipts[1].Entry.ID != receipts[0].Entry.ID {
		t.Error("merged into another entry")
	}
	b.clock.move(time.Second)
	wantOutcomes(t, b.append(t, b.me, same), "stored")
	stats, rows := b.flushed(t)
	if stats.Stored != 3 || stats.Merged != 2 || rows[2].Repeats != 3 {
		t.Errorf("stats %+v, repeats %d", stats, rows[2].Repeats)
	}
}

func TestMergedDraftsGiveTheirPlaceBack(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	for range 3 * perMinute {
		b.append(t, b.me, worklog.Draft{Title: "same"})
	}
	wantOutcomes(t, b.append(t, b.me, drafts(perMinute-1, "")...), strings.TrimSpace(strings.Repeat("stored ", perMinute-1)))
}

func TestOneBadDraftDoesNotFailItsNeighbours(t *testing.T) {
	b := setup(t)
	receipts := b.append(t, b.me, worklog.Draft{Title: "good"}, worklog.Draft{Title: ""}, worklog.Draft{Title: "x", Status: "odd"}, worklog.Draft{Title: "x", ConversationID: "odd"})
	wantOutcomes(t, receipts, "stored invalid invalid invalid")
	if receipts[1].Errors[0].Field != "title" || receipts[2].Errors[0].Field != "status" || receipts[3].Errors[0].Field != "conversation_id" {
		t.Errorf("receipts %+v", receipts)
	}
	stats, _ := b.flushed(t)
	if stats.Invalid != 3 || stats.Received != 4 {
		t.Errorf("stats %+v", stats)
	}
}

func TestWhileTheDatabaseIsAwayWritersAreToldToRetry(t *testing.T) {
	b := setup(t)
	b.store.errs = []error{&worklog.Error{Code: worklog.CodeUnavailable, Err: errors.New("away")}}
	_, err := b.Append(b.ctx, b.me, []worklog.Draft{{Title: "x", Key: "k"}})
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || e.Code != worklog.CodeUnavailable || e.RetryAfter <= 0 {
		t.Fatalf("error %v", err)
	}
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "x", Key: "k"}), "stored")
	if state := b.limiter.State(limit.Window{Owner: b.me.User.ID}); state.Remaining != perMinute-1 {
		t.Errorf("the failed draft kept its place: %d left", state.Remaining)
	}
}

func TestImportsHaveABudgetOfTheirOwn(t *testing.T) {
	b := setup(t)
	old := b.clock.now().Add(-time.Hour)
	var batch []worklog.Draft
	for i := range 8 {
		batch = append(batch, worklog.Draft{Title: fmt.Sprint(i), LoggedAt: &old})
	}
	wantOutcomes(t, b.append(t, b.me, batch...), strings.TrimSpace(strings.Repeat("stored ", 8)))
	if state := b.limiter.State(limit.Window{Owner: b.me.User.ID}); state.Remaining != perMinute {
		t.Errorf("an import took %d places of the window", perMinute-state.Remaining)
	}
	for i := range batch {
		batch[i].Title += "!"
	}
	_, err := b.Append(b.ctx, b.me, batch)
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || e.Code != worklog.CodeRateLimited || e.RetryAfter <= 0 {
		t.Fatalf("error %v", err)
	}
	_, rows := b.flushed(t)
	if len(rows) != 8 {
		t.Errorf("%d rows: a refused import must store nothing", len(rows))
	}
}

func TestAWriteTokenCompletesOnlyItsOwnEntries(t *testing.T) {
	b := setup(t)
	one := b.token(t, "01890000-0000-7000-8000-000000000001", account.ScopeWrite)
	two := b.token(t, "01890000-0000-7000-8000-000000000002", account.ScopeWrite)
	run := worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusWorking}
	end := worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess}
	wantOutcomes(t, b.append(t, one, run), "stored")
	wantOutcomes(t, b.append(t, two, end), "invalid")
	wantOutcomes(t, b.append(t, one, end), "updated")
	if _, err := b.Append(b.ctx, b.token(t, "x", account.ScopeRead), []worklog.Draft{run}); worklog.CodeOf(err) != worklog.CodeForbidden {
		t.Errorf("a read token wrote: %v", err)
	}
	wantOutcomes(t, b.append(t, one, worklog.Draft{Title: "x", User: "ann@example.org"}), "invalid")
}

func TestWriteAnyWritesForOthers(t *testing.T) {
	b := setup(t)
	bob := b.user(t, "bob@example.org")
	p := b.token(t, "01890000-0000-7000-8000-000000000003", account.ScopeWriteAny)
	wantOutcomes(t, b.append(t, p, worklog.Draft{Title: "for Bob", User: "BOB@example.org"}, worklog.Draft{Title: "for nobody", User: "nobody@example.org"}), "stored invalid")
	stats, err := b.store.Stats(b.ctx, bob.User.ID)
	if err != nil || stats.Stored != 1 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if owner := <-b.hints; owner != bob.User.ID {
		t.Errorf("hint for %d", owner)
	}
}

func TestARunningStepChangesAtMostOnceASecond(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	step := func(details string) worklog.Draft {
		return worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusWorking, Details: details}
	}
	b.append(t, b.me, step("1"))
	held := make(chan []worklog.Receipt, 2)
	var wg sync.WaitGroup
	for _, d := range []string{"2", "3"} {
		wg.Go(func() {
			r, err := b.Append(b.ctx, b.me, []worklog.Draft{step(d)})
			if err != nil {
				t.Error(err)
			}
			held <- r
		})
	}
	select {
	case r := <-held:
		t.Fatalf("passed at once: %+v", r)
	case <-time.After(100 * time.Millisecond): // nothing can be waited for: nothing happens
	}
	b.clock.move(time.Second)
	r := <-held
	wantOutcomes(t, r, "updated")
	done := b.append(t, b.me, worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess})
	wantOutcomes(t, done, "updated")
	b.clock.move(2 * time.Second)
	wg.Wait()
	_, rows := b.flushed(t)
	if len(rows) != 1 || rows[0].Status != worklog.StatusSuccess {
		t.Errorf("rows %+v", rows)
	}
}

// With the limiter's clock at rest a step that has had its change of this second waits for ever.
func TestAStepThatMeetsALockDoesNotWaitForItsNextSecond(t *testing.T) {
	b := setupWith(t, func(o *ingest.Options) { o.Now = time.Now })
	b.append(t, b.me, worklog.Draft{Title: "makes the stats row"})
	conn, err := pgx.Connect(b.ctx, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(b.ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(b.ctx, "SELECT 1 FROM work_log_stats FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	b.clock.stop()
	stored := make(chan []worklog.Receipt, 1)
	go func() {
		receipts, _ := b.Append(b.ctx, b.me, []worklog.Draft{{Title: "Bash: make", Key: "k", Status: worklog.StatusWorking}})
		stored <- receipts
	}()
	<-b.store.locked
	if _, err := conn.Exec(b.ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if receipts := <-stored; len(receipts) != 1 || receipts[0].Outcome != worklog.OutcomeStored {
		t.Errorf("receipts %+v", receipts)
	}
}

func TestPatchFollowsTheRulesOfChange(t *testing.T) {
	b := setup(t)
	id := b.append(t, b.me, worklog.Draft{Title: "run", Status: worklog.StatusWorking, Key: "k"})[0].Entry.ID
	failed, title := worklog.StatusError, "run (exit 1)"
	e, err := b.Patch(b.ctx, b.me, id, worklog.EntryPatch{Status: &failed, Title: &title})
	if err != nil || e.Status != failed || e.Title != title || e.EndedAt.IsZero() {
		t.Fatalf("entry %+v, %v", e, err)
	}
	success, late := worklog.StatusSuccess, "renamed"
	e, err = b.Patch(b.ctx, b.me, id, worklog.EntryPatch{Status: &success, Title: &late, Metadata: worklog.Metadata{"exit": 1}})
	if err != nil || e.Status != failed || e.Title != title || fmt.Sprint(e.Metadata["exit"]) != "1" {
		t.Errorf("entry %+v, %v", e, err)
	}
	bob := b.user(t, "bob@example.org")
	if _, err := b.Patch(b.ctx, bob, id, worklog.EntryPatch{Title: &late}); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("another user's patch: %v", err)
	}
	odd := worklog.Status("odd")
	if _, err := b.Patch(b.ctx, b.me, id, worklog.EntryPatch{Status: &odd}); worklog.CodeOf(err) != worklog.CodeInvalid {
		t.Errorf("odd status: %v", err)
	}
}

func TestManyWritersShareTransactions(t *testing.T) {
	b := setup(t)
	p := b.token(t, "01890000-0000-7000-8000-000000000004", account.ScopeWrite)
	p.Token.Limit = 1_000_000
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r, err := b.Append(b.ctx, p, []worklog.Draft{{Title: fmt.Sprintf("%d/%d", w, i)}})
				if err != nil || r[0].Outcome != worklog.OutcomeStored {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	wg.Wait()
	snap := b.Snapshot()
	if snap.Counts.Stored != writers*each || snap.Batches >= writers*each {
		t.Errorf("%+v", snap)
	}
	stats, rows := b.flushed(t)
	if stats.Stored != writers*each || len(rows) != 200 {
		t.Errorf("stats %+v, %d rows", stats, len(rows))
	}
}

func TestAStoppedServiceRefusesAndKeepsWhatItAccepted(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, worklog.Draft{Title: "x"}, worklog.Draft{Title: "x"})
	stats, rows := b.flushed(t)
	if stats.Merged != 1 || rows[0].Repeats != 2 {
		t.Errorf("stats %+v, rows %+v", stats, rows)
	}
	if _, err := b.Append(b.ctx, b.me, []worklog.Draft{{Title: "late"}}); worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Errorf("error %v", err)
	}
}

func TestACommitThatHangsIsAnsweredAsUnknown(t *testing.T) {
	b := setup(t)
	b.store.hang = make(chan struct{})
	b.AnswerWithin(time.Second)
	_, err := b.Append(b.ctx, b.me, []worklog.Draft{{Title: "x", Key: "k"}}) // the commit hangs until this has its answer
	if worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Error(err)
	}
	b.AnswerWithin(patience)
	close(b.store.hang)
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "x", Key: "k"}), "unchanged")
}
