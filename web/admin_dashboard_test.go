package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/worklog"
)

// asAdmin is the site as an administrator sees it.
func (x *liveSite) asAdmin(email string) *liveSite {
	x.Helper()
	user, err := x.store.CreateUser(x.ctx, email, "", true)
	if err != nil {
		x.Fatal(err)
	}
	w := httptest.NewRecorder()
	c := x.server.echo.NewContext(httptest.NewRequest(http.MethodPost, "/login", nil), w)
	if err := x.server.signIn(c, user, "", "test"); err != nil {
		x.Fatal(err)
	}
	other := *x.site
	other.user = user
	other.cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return &liveSite{&other, x.hub, x.http}
}

// counted has everything counted that was written.
func (x *liveSite) counted() {
	x.Helper()
	if _, err := x.store.RollUp(x.ctx, time.Now(), 0); err != nil {
		x.Fatal(err)
	}
}

// tick is what Run does once a second; what the last look saw is out of date then.
func (x *liveSite) tick() {
	for _, r := range rollup.Ranges() {
		shared := x.server.boards.of(r)
		shared.turn <- struct{}{}
		shared.at = time.Time{}
		shared.give()
	}
	x.hub.Hint(dashboardOwner)
}

func TestTheDashboardShowsCountsAndNobodysWords(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	admin := x.asAdmin("admin@example.org")
	for _, r := range rollup.Ranges() {
		if page := admin.ask(http.MethodGet, "/admin?range="+r.Name, nil).Body.String(); !strings.Contains(page, "Nothing came in.") || !strings.Contains(page, "no step has ended") {
			t.Errorf("%s: an empty installation is shown as %s", r.Name, page)
		}
	}
	start, end := time.Now().Add(-3*time.Second), time.Now()
	x.write(worklog.Draft{Title: "a very private plan", Details: "with details", Conversation: "secret-project", ConversationTitle: "Secret project", Tool: "Bash",
		Type: worklog.TypeToolCall, Status: worklog.StatusError, StartedAt: &start, EndedAt: &end}, worklog.Draft{Title: "another thought"})
	x.counted()
	x.tick()
	page := admin.ask(http.MethodGet, "/admin?range=1h", nil).Body.String()
	for _, want := range []string{"ada@example.org", "Bash", `<p class="big">2</p>`, "1 of 1 step that ended", "2 in the last hour"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, secret := range []string{"private plan", "with details", "secret-project", "Secret project", "thought"} {
		if strings.Contains(page, secret) {
			t.Errorf("the page says %q", secret)
		}
	}
	if w := admin.ask(http.MethodGet, "/admin?range=2h", nil); w.Code != http.StatusBadRequest {
		t.Errorf("a range that does not exist: %d", w.Code)
	}
	if w := x.ask(http.MethodGet, "/admin", nil); w.Code != http.StatusForbidden {
		t.Errorf("a user gets %d", w.Code)
	}
}

func TestAnOpenDashboardSaysWhenTheDiskIsNearlyFull(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	var scarce atomic.Bool
	x.server.room = func() Room { return Room{Database: Disk{Known: true, Free: 4.5, Scarce: scarce.Load()}} }
	admin := x.asAdmin("admin@example.org")
	l := admin.listen("/admin/stream?range=1h&tab=a.0&after=" + admin.cursorOf("/admin?range=1h"))
	l.want("hello")
	scarce.Store(true)
	x.tick()
	l.board("The disk is nearly full: 4.5 % is free")
}

// board reads changes of the dashboard until all of what is wanted has come, and returns them. A look may see half of it.
func (l *listener) board(wanted ...string) (told []event) {
	l.t.Helper()
	for all := ""; ; {
		e := l.next()
		if e.name == "ping" {
			continue
		}
		if e.name != "board" {
			l.t.Fatalf("%v have come and then %+v, want %q", told, e, wanted)
		}
		told, all = append(told, e), all+e.data
		if !slices.ContainsFunc(wanted, func(part string) bool { return !strings.Contains(all, part) }) {
			return told
		}
	}
}

// cursorOf is the cursor of a dashboard that is opened now.
func (x *liveSite) cursorOf(path string) string {
	x.Helper()
	page := x.ask(http.MethodGet, path, nil).Body.String()
	_, after, _ := strings.Cut(page, `data-cursor="`)
	cursor, _, _ := strings.Cut(after, `"`)
	if n, err := strconv.ParseInt(cursor, 10, 64); err != nil || n <= 0 {
		x.Fatalf("the cursor of %s is %q", path, cursor)
	}
	return cursor
}

func TestAnOpenDashboardIsToldOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	admin := x.asAdmin("admin@example.org")
	cursor := admin.cursorOf("/admin?range=1h")
	l := admin.listen("/admin/stream?range=1h&tab=a.0&after=" + cursor)
	if hello := l.want("hello"); hello.id != cursor {
		t.Errorf("hello at %s, the page stands at %s", hello.id, cursor)
	}
	x.write(worklog.Draft{Title: "x", Tool: "Bash", Type: worklog.TypeToolCall, Status: worklog.StatusSuccess})
	x.counted()
	x.tick()
	told := l.board(`id="board-entries"`, `id="board-tools"`, `id="board-ledger"`)
	x.tick() // nothing has changed, so nothing comes before the next change
	x.write(worklog.Draft{Title: "y", Tool: "Read", Type: worklog.TypeToolCall, Status: worklog.StatusSuccess})
	x.counted()
	x.tick()
	last := must(t, cursor)
	for _, e := range append(told, l.board("Read")...) {
		id := must(t, e.id)
		if id <= last {
			t.Errorf("the event has the id %s, the page stood at %d", e.id, last)
		}
		if last = id; strings.Contains(e.data, `id="board-sweep"`) {
			t.Errorf("what has not changed is sent: %s", e.data)
		}
	}
}

func must(t *testing.T, number string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADashboardThatCanNotStreamPolls(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	admin := x.asAdmin("admin@example.org")
	cursor := admin.cursorOf("/admin?range=7d")
	x.write(worklog.Draft{Title: "x", Tool: "Bash", Type: worklog.TypeToolCall, Status: worklog.StatusSuccess})
	x.counted()
	x.tick()
	answer := admin.ask(http.MethodGet, "/admin/changes?range=7d&epoch=&after="+cursor, nil).Body.String()
	if !strings.Contains(answer, `hx-get="/admin/changes?`) || !strings.Contains(answer, "range=7d") || !strings.Contains(answer, `id="board-tools"`) || strings.Contains(answer, "data-reset") {
		t.Errorf("the answer is %s", answer)
	}
}

func TestDashboardsAreTabsLikeAllOthers(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	admin := x.asAdmin("admin@example.org")
	cursor := admin.cursorOf("/admin")
	first := admin.listen("/admin/stream?tab=a.0&after=" + cursor)
	first.want("hello")
	for _, tab := range []string{"b.0", "c.0", "d.0"} {
		admin.listen("/admin/stream?tab=" + tab + "&after=" + cursor).want("hello")
	}
	for e := first.next(); e.name != "bye"; e = first.next() {
		if e.name != "board" && e.name != "ping" {
			t.Fatalf("the oldest of four tabs gets %+v", e)
		}
	}
	first.ended()
	old := admin.listen("/admin/stream?tab=e.0&after=99999999999999")
	if e := old.next(); e.name == "hello" {
		e = old.next()
		if e.name != "reset" {
			t.Errorf("a page of the future gets %+v", e)
		}
	}
}

// However many look at a range, the database is asked once a second.
func TestDashboardsShareOneLook(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	r, _ := rollup.RangeNamed("24h")
	before := x.store.Queries()
	if _, err := x.store.Dashboard(x.ctx, r, time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	one := x.store.Queries() - before
	frozen := time.Now()
	x.server.now = func() time.Time { return frozen }
	var viewers sync.WaitGroup
	before = x.store.Queries()
	for range 50 {
		viewers.Go(func() {
			if _, _, err := x.server.boards.of(r).after(x.ctx, x.server, r, 0); err != nil {
				t.Error(err)
			}
		})
	}
	viewers.Wait()
	if asked := x.store.Queries() - before; asked != one {
		t.Errorf("50 viewers cost %d statements, one look is %d", asked, one)
	}
}

// A database that answers nothing keeps the first of them for seconds.
func TestWhoGivesUpWaitsForNobodyElsesLook(t *testing.T) {
	o := newOffice(t)
	r, _ := rollup.RangeNamed("24h")
	conn, err := pgx.Connect(t.Context(), o.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK rollup_entries"); err != nil {
		t.Fatal(err)
	}
	quickest := time.Hour
	for try := 0; try < 5 && quickest > time.Second; try++ { // the first is kept for five: a machine that stalls does not do so each time
		quickest = min(quickest, o.giveUp(r))
	}
	if quickest > time.Second {
		t.Errorf("who gave up after 10 ms was let go after %v", quickest)
	}
}

// giveUp returns how long somebody who gives up after 10 ms waits behind another one's look.
func (o *office) giveUp(r rollup.Range) time.Duration {
	o.Helper()
	asked := o.store.Queries()
	looks, end := context.WithCancel(o.Context())
	var first sync.WaitGroup
	first.Go(func() { _, _ = o.server.boards.of(r).whole(looks, o.server, r) })
	defer first.Wait()
	defer end()
	o.eventually("the first asks", func() bool { return o.store.Queries() > asked })
	ctx, cancel := context.WithTimeout(o.Context(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, _, err := o.server.boards.of(r).after(ctx, o.server, r, 0)
	if !errors.Is(err, context.DeadlineExceeded) {
		o.Errorf("who gave up was told %v", err)
	}
	return time.Since(began)
}

func TestNobodyAsksWhileNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := &Server{hub: hub.New(silent{}, hub.Options{}), counter: func() { asked++ }}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.followDashboards(ctx) }()
		time.Sleep(time.Hour)
		if asked != 0 {
			t.Errorf("asked %d times in an hour", asked)
		}
		tab, end := s.hub.Open(hub.Watch{User: 1, Owner: dashboardOwner, Session: "s", TabID: "t"})
		if end != 0 {
			t.Fatal(end)
		}
		time.Sleep(time.Minute)
		tab.Close()
		if asked < 59 || asked > 61 {
			t.Errorf("asked %d times in the minute in which somebody looked", asked)
		}
		time.Sleep(time.Hour)
		if asked > 61 {
			t.Errorf("asked %d times, although nobody looks any more", asked)
		}
		cancel()
		<-ended
	})
}
