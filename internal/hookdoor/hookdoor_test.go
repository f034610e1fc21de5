package hookdoor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// house is a door on a database that can be cut off.
type house struct {
	t     *testing.T
	wire  *storetest.Wire
	sight *store.Store // past the wire
	store *store.Store
	ing   *ingest.Service
	dir   string
	max   int64
	// patience is how long a commit may take before its event is spooled. A test that says what is not spooled has much.
	patience time.Duration
	log      syncBuffer
	door     *Door
	stop     func()
}

// syncBuffer is a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newHouse starts a write path. The door stays closed until open.
func newHouse(t *testing.T) *house {
	t.Helper()
	dsn := storetest.DSN(t)
	h := &house{t: t, wire: storetest.NewWire(t, dsn), sight: storetest.Open(t, dsn), dir: t.TempDir(), max: 1 << 20, patience: 30 * time.Second}
	h.start(h.wire.DSN)
	return h
}

// start starts a write path.
func (h *house) start(dsn string) {
	h.t.Helper()
	t := h.t
	h.store = storetest.Open(t, dsn)
	limiter := limit.New(limit.Options{PerMinute: 1000, Import: 10, Now: time.Now})
	h.ing = ingest.New(h.store, h.store, limiter, func(int64) {}, ingest.Options{AgentLimit: 30, Patience: h.patience})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.ing.Run(ctx) })
	t.Cleanup(func() {
		h.shut()
		cancel()
		wg.Wait()
	})
}

// open opens the door; run lets it replay.
func (h *house) open(run bool) {
	h.t.Helper()
	h.door = New(Deps{Store: h.store, Ingest: h.ing, Dir: h.dir, MaxSpool: h.max, Patience: h.patience, Log: slog.New(slog.NewTextHandler(&h.log, nil))})
	if err := h.door.Open(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.stop = func() {}
	if run {
		h.run()
	}
}

func (h *house) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	door := h.door
	wg.Go(func() {
		if err := door.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	h.stop = func() { cancel(); wg.Wait() }
}

// shut closes the door; what is spooled stays on disk.
func (h *house) shut() {
	h.t.Helper()
	if h.door == nil {
		return
	}
	h.stop()
	if err := h.door.Close(); err != nil {
		h.t.Error(err)
	}
	h.door = nil
}

// token makes a user and a write-only token of theirs.
func (h *house) token(email string) *account.Principal {
	h.t.Helper()
	user, err := h.sight.CreateUser(h.t.Context(), email, "", false)
	if err != nil {
		h.t.Fatal(err)
	}
	tok, secret, err := account.NewToken(user, account.TokenRequest{Name: "t", Scopes: []account.Scope{account.ScopeWrite}}, false, time.Now().UTC())
	if err == nil {
		err = h.sight.CreateToken(h.t.Context(), tok, account.HashSecret(secret))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return &account.Principal{User: user, Token: &tok}
}

func event(name, rest string) string {
	return fmt.Sprintf(`{"session_id":"s","prompt_id":"p1","hook_event_name":%q%s}`, name, rest)
}

func call(id string) string {
	return fmt.Sprintf(`,"tool_name":"Bash","tool_use_id":%q,"tool_input":{"command":"npm test"}`, id)
}

func (h *house) take(p *account.Principal, body string) {
	h.t.Helper()
	if err := h.door.Take(h.t.Context(), p, Delivery{}, []byte(body)); err != nil {
		h.t.Fatalf("%.80s: %v", body, err)
	}
}

// rows are the entries of a user, oldest first.
func (h *house) rows(p *account.Principal) []store.Row {
	h.t.Helper()
	page, err := h.sight.Entries(h.t.Context(), store.EntryQuery{Owner: p.User.ID, Limit: 200})
	if err != nil {
		h.t.Fatal(err)
	}
	rows := make([]store.Row, 0, len(page.Rows))
	for _, r := range page.Rows {
		rows = append([]store.Row{r}, rows...)
	}
	return rows
}

func titles(rows []store.Row) string {
	var all []string
	for _, r := range rows {
		all = append(all, string(r.Status)+" "+r.Title)
	}
	return strings.Join(all, "; ")
}

func (h *house) drained() {
	h.t.Helper()
	apptest.Eventually(h.t, "the spool is drained", func() bool {
		st := h.door.Stats()
		return st.Pending == 0 && st.AwaySince.IsZero()
	})
}

func TestWhatAnAgentDoesWhileTheDatabaseIsAwayIsStoredInOrderWhenItIsBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, other := h.token("a@x.test"), h.token("b@x.test")
	h.open(true)
	h.take(p, event("PreToolUse", call("before")))
	h.wire.Cut()
	at := time.Now()
	for i := range 40 { // more than the window of a minute and than the import budget: nobody may refuse them any more
		h.take(p, event("PreToolUse", call(fmt.Sprint(i))))
		h.take(p, event("PostToolUse", call(fmt.Sprint(i))+`,"tool_response":"ok"`))
	}
	h.take(p, event("Notification", `,"message":"Waiting"`))
	h.take(p, event("Notification", `,"message":"Waiting"`))
	h.take(other, event("UserPromptSubmit", `,"prompt":"hello"`))
	h.take(p, event("Stop", `,"last_assistant_message":"Done"`))
	back := time.Now()
	if st := h.door.Stats(); st.Pending != 84 || st.AwaySince.IsZero() || st.Spooled != 84 {
		t.Errorf("%+v", st)
	}
	h.wire.Mend(t)
	h.drained()
	h.take(p, event("PreToolUse", call("after")))
	rows := h.rows(p)
	if len(rows) != 45 || rows[0].Key != "s/before" || rows[0].Status != worklog.StatusWarning || !rows[0].Inferred || rows[44].Key != "s/after" {
		t.Fatalf("%d rows: %s", len(rows), titles(rows))
	}
	for i, r := range rows[1:41] {
		if r.Key != fmt.Sprint("s/", i) || r.Status != worklog.StatusSuccess || r.LoggedAt.Before(at) || r.LoggedAt.After(back) {
			t.Errorf("row %d: %s %s, logged %s", i, r.Key, r.Status, r.LoggedAt)
		}
	}
	if got := titles(rows[41:44]); got != "info Waiting; info Waiting; success Done" {
		t.Errorf("%s", got)
	}
	if rows := h.rows(other); len(rows) != 1 {
		t.Errorf("%s", titles(rows))
	}
	if st := h.door.Stats(); st.Replayed != 84 || st.Refused+st.Failed+st.Revoked+st.Damaged != 0 || st.Bytes != 0 {
		t.Errorf("%+v", st)
	}
}

func TestNobodyOvertakesTheSpooledEventsOfTheirOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, other := h.token("a@x.test"), h.token("b@x.test")
	h.open(false)
	h.wire.Cut()
	h.take(p, event("UserPromptSubmit", `,"prompt":"first"`))
	h.wire.Mend(t)
	h.shut()
	h.start(h.wire.DSN)
	h.open(false) // the next start: nothing is known to be away, and p's event waits
	h.take(p, event("UserPromptSubmit", `,"prompt":"second"`))
	h.take(other, event("UserPromptSubmit", `,"prompt":"at once"`))
	if len(h.rows(p)) != 0 || len(h.rows(other)) != 1 || h.door.Stats().Pending != 2 {
		t.Errorf("%s | %s | %+v", titles(h.rows(p)), titles(h.rows(other)), h.door.Stats())
	}
	h.run()
	h.drained()
	if got := titles(h.rows(p)); got != "info Prompt: first; info Prompt: second" {
		t.Errorf("%s", got)
	}
}

func TestAFullSpoolRefusesAndCounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.max = 20_000
	p := h.token("a@x.test")
	h.open(true)
	h.wire.Cut()
	big := strings.Repeat("x", 8000)
	h.take(p, event("UserPromptSubmit", `,"prompt":"1`+big+`"`))
	h.take(p, event("UserPromptSubmit", `,"prompt":"2`+big+`"`))
	for range 3 {
		err := h.door.Take(t.Context(), p, Delivery{}, []byte(event("UserPromptSubmit", `,"prompt":"3`+big+`"`)))
		if e, _ := err.(*worklog.Error); e == nil || e.Code != worklog.CodeUnavailable || e.RetryAfter == 0 {
			t.Fatalf("%v", err)
		}
	}
	if st := h.door.Stats(); st.Refused != 3 || st.Pending != 2 || st.Bytes > st.MaxBytes {
		t.Errorf("%+v", st)
	}
	if n := strings.Count(h.log.String(), "hooks are refused"); n != 1 {
		t.Errorf("told %d times", n)
	}
	h.wire.Mend(t)
	h.drained()
	h.take(p, event("UserPromptSubmit", `,"prompt":"4"`))
	if rows := h.rows(p); len(rows) != 3 {
		t.Errorf("%s", titles(rows))
	}
}

func TestWhatWasSpooledWithARevokedTokenIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	revoked, disabled, good := h.token("a@x.test"), h.token("b@x.test"), h.token("c@x.test")
	h.open(false)
	h.wire.Cut()
	for _, p := range []*account.Principal{revoked, disabled, good} {
		h.take(p, event("UserPromptSubmit", `,"prompt":"one"`))
		h.take(p, event("UserPromptSubmit", `,"prompt":"two"`))
	}
	h.wire.Mend(t)
	if err := h.sight.RevokeToken(t.Context(), 0, revoked.Token.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.sight.DisableUser(t.Context(), disabled.User.ID, true); err != nil {
		t.Fatal(err)
	}
	h.run()
	h.drained()
	if len(h.rows(revoked)) != 0 || len(h.rows(disabled)) != 0 || len(h.rows(good)) != 2 {
		t.Errorf("%s | %s | %s", titles(h.rows(revoked)), titles(h.rows(disabled)), titles(h.rows(good)))
	}
	if st := h.door.Stats(); st.Revoked != 4 || st.Replayed != 2 {
		t.Errorf("%+v", st)
	}
}

func TestReplayingTwiceStoresOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(false)
	h.wire.Cut()
	for _, body := range []string{
		event("SessionStart", `,"source":"startup"`), event("UserPromptSubmit", `,"prompt":"go on"`), event("PreToolUse", call("1")), event("PostToolUse", call("1")),
		event("Notification", `,"message":"Waiting"`), event("Stop", ``), `{"hook_event_name":"Stop","last_assistant_message":"said"}`, `{"hook_event_name":"Tomorrow"}`,
	} {
		h.take(p, body)
	}
	h.shut()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	h.wire.Mend(t)
	h.open(true)
	h.drained()
	h.shut()
	once := titles(h.rows(p))
	h.dir = copied
	h.open(true)
	h.drained()
	if twice := titles(h.rows(p)); twice != once || len(h.rows(p)) != 7 || h.door.Stats().Replayed != 8 {
		t.Errorf("once: %s\ntwice: %s\n%+v", once, twice, h.door.Stats())
	}
}

func TestADeliveryThatIsRepeatedIsStoredOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(true)
	for range 2 {
		if err := h.door.Take(t.Context(), p, Delivery{ID: "delivery-1"}, []byte(event("SessionStart", ``))); err != nil {
			t.Fatal(err)
		}
	}
	for _, odd := range []string{"", "no spaces", strings.Repeat("x", 100), "/"} { // never a name: each is another event
		if err := h.door.Take(t.Context(), p, Delivery{ID: odd}, []byte(event("SessionStart", ``))); err != nil {
			t.Fatal(err)
		}
	}
	if rows := h.rows(p); len(rows) != 5 {
		t.Errorf("%s", titles(rows))
	}
}

func TestADamagedRecordIsNamedAndItsNeighboursAreStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(false)
	h.wire.Cut()
	for _, text := range []string{"one", "damaged", "three"} {
		h.take(p, event("UserPromptSubmit", `,"prompt":"`+text+`"`))
	}
	h.shut()
	paths, err := filepath.Glob(filepath.Join(h.dir, "*.spool"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%v, %v", paths, err)
	}
	raw, err := os.ReadFile(paths[0])
	if err == nil {
		err = os.WriteFile(paths[0], bytes.Replace(raw, []byte("damaged"), []byte("damagee"), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.wire.Mend(t)
	h.open(true)
	h.drained()
	if got := titles(h.rows(p)); got != "info Prompt: one; info Prompt: three" || h.door.Stats().Damaged != 1 || !strings.Contains(h.log.String(), paths[0]) {
		t.Errorf("%s, %+v\n%s", got, h.door.Stats(), h.log.String())
	}
}

func TestWithoutASpoolAnAgentIsToldThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(true)
	second := New(Deps{Store: h.store, Ingest: h.ing, Dir: h.dir})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := second.Open(done); err != nil || second.Stats().Open {
		t.Errorf("%v, %+v", err, second.Stats())
	}
	h.wire.Cut()
	if err := second.Take(t.Context(), p, Delivery{}, []byte(event("Stop", ``))); worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Errorf("%v", err)
	}
	session := &account.Principal{User: p.User, Session: "s"}
	if err := h.door.Take(t.Context(), session, Delivery{}, []byte(event("Stop", ``))); worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestALateDeliveryKeepsItsTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(true)
	at := time.Now().Add(-3 * time.Hour).UTC().Truncate(time.Microsecond)
	for _, when := range []time.Time{at, time.Now().Add(time.Hour), time.Unix(0, 0)} { // nobody believes the others
		if err := h.door.Take(t.Context(), p, Delivery{At: when}, []byte(event("PreToolUse", call(fmt.Sprint(when.Unix()))))); err != nil {
			t.Fatal(err)
		}
	}
	rows := h.rows(p)
	if len(rows) != 3 || !rows[0].LoggedAt.Equal(at) || !rows[0].StartedAt.Equal(at) || time.Since(rows[1].LoggedAt) > time.Minute || time.Since(rows[2].StartedAt) > time.Minute {
		t.Errorf("%+v", rows)
	}
}

func TestADatabaseThatHangsDelaysAnAgentOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.patience = directTimeout
	p := h.token("a@x.test")
	h.open(true)
	h.take(p, event("PreToolUse", call("0")))
	h.wire.Hang(t)
	began := time.Now()
	h.take(p, event("PreToolUse", call("1")))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the first agent waits %v", took)
	}
	began = time.Now()
	for i := range 20 {
		h.take(p, event("PreToolUse", call(fmt.Sprint(i+2))))
	}
	if took := time.Since(began); took > 20*directTimeout {
		t.Errorf("twenty more wait %v", took)
	}
	h.wire.Cut()
	h.wire.Mend(t)
	h.drained()
	if rows := h.rows(p); len(rows) != 22 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestAnAgentThatIsGoneStillHasItsEventStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(true)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.door.Take(gone, p, Delivery{}, []byte(event("PreToolUse", call("1")))); err != nil {
		t.Fatal(err)
	}
	if st := h.door.Stats(); len(h.rows(p)) != 1 || st.Spooled != 0 || !st.AwaySince.IsZero() {
		t.Errorf("%s, %+v", titles(h.rows(p)), st)
	}
}
