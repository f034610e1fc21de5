package readtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

const admin = "root@example.org"

// newAdmin is a browser that is signed in as an administrator; what it writes it writes as the usual user.
func newAdmin(t *testing.T, drafts ...worklog.Draft) *reader {
	t.Helper()
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", "100000"))
	app.Admin(admin)
	r := &reader{t: t, app: app, client: app.Client(), ctx: apptest.Browser(t, "htmx:sseError", "ERR_INCOMPLETE_CHUNKED", "ERR_NETWORK")}
	app.SignIn(r.ctx, admin)
	r.write(drafts...)
	return r
}

// used are n calls of each of some tools, one of which has a very long name.
func used(n int) []worklog.Draft {
	var drafts []worklog.Draft
	end := time.Now()
	for i := range n {
		for _, tool := range []string{"Bash", "Read", "mcp__a_server_with_a_long_name__and_a_tool_with_a_longer_one"} {
			start := end.Add(-time.Duration(i+1) * 700 * time.Millisecond)
			status := worklog.StatusSuccess
			if i%9 == 0 {
				status = worklog.StatusError
			}
			drafts = append(drafts, worklog.Draft{Title: fmt.Sprintf("%s %d", tool, i), Tool: tool, Type: worklog.TypeToolCall, Status: status, StartedAt: &start, EndedAt: &end})
		}
	}
	return append(drafts, worklog.Draft{Title: "thinking", Type: worklog.TypeAIResponse}, worklog.Draft{Title: "on", Status: worklog.StatusWorking, Key: "k"})
}

// shown waits until the dashboard has counted n entries.
func (r *reader) shown(n int) {
	r.t.Helper()
	r.wait("entries are counted", fmt.Sprintf("document.querySelector('#board-now .big').textContent.replace(/\\D/g, '') === '%d'", n))
}

func TestBrowserSeesTheDashboardMove(t *testing.T) {
	t.Parallel()
	r := newAdmin(t)
	r.open("/admin?range=1h")
	r.wait("the page is live", "document.getElementById('live-status').dataset.state === 'live'")
	r.expect("document.querySelector('#board-entries .none').checkVisibility()", "true")
	r.do("window.stays = document.getElementById('board-sweep')")
	drafts := used(10)
	r.write(drafts...)
	r.shown(len(drafts))
	r.wait("and shown as bars", "!document.querySelector('#board-entries .none') && document.querySelectorAll('.bars .hit').length > 0") // a look may see half of it
	r.wait("and by their tools", "[...document.querySelectorAll('#board-tools tbody th')].map((th) => th.textContent.trim()).includes('Bash')")
	r.expect("stays.isConnected", "true") // what does not change is left alone
	r.do("document.getElementById('board-entries-table').click(); document.getElementById('board-entries-table').focus()")
	r.write(worklog.Draft{Title: "one more"}, worklog.Draft{Title: "on", Status: worklog.StatusSuccess, Key: "k"})
	r.shown(len(drafts) + 1)
	r.wait("the working step has moved", "!document.querySelector('.bars .b-working')")
	r.expect("document.querySelector('#board-entries details').open", "true")
	r.expect("document.activeElement.id", "board-entries-table")
	r.expect("document.querySelectorAll('#board > div').length", "3")
}

func TestBrowserReadsTheDashboardEverywhere(t *testing.T) {
	t.Parallel()
	drafts := used(12)
	r := newAdmin(t, drafts...)
	for _, theme := range []string{"light", "dark"} {
		r.theme(theme)
		for _, path := range []string{"/admin", "/admin?range=1h", "/admin?range=7d", "/admin?range=90d"} {
			for _, width := range []int64{320, 900, 1280} {
				r.size(width, 900)
				r.open(path)
				r.shown(len(drafts))
				r.do("for (const d of document.querySelectorAll('#board details')) d.open = true")
				if wide := eval[int64](r, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s is %d wide in a window of %d", path, wide, width)
				}
			}
			apptest.Accessible(t, r.ctx)
			if t.Failed() {
				t.Fatalf("that was %s in the %s theme", path, theme)
			}
		}
	}
	r.script(false)
	r.open("/admin?range=24h")
	r.expect("document.querySelector('#board-now .big').textContent", fmt.Sprint(len(drafts)))
	r.expect("document.querySelector('.bars path.b-success').checkVisibility()", "true")
	r.expect("document.getElementById('live-status').checkVisibility()", "false")
	r.do("document.querySelector('.tabs a[href=\"/admin?range=7d\"]').click()")
	r.arrive("ranges are links", "location.search === '?range=7d' && document.querySelector('.tabs [aria-current]').textContent === '7 d'")
}

func TestTheWindowOfProgramsIsTheDashboards(t *testing.T) {
	t.Parallel()
	drafts := used(3)
	r := newAdmin(t, drafts...)
	client := r.app.ClientOf(admin, account.ScopeAdmin)
	apptest.Eventually(t, "everything is counted within seconds", func() bool {
		w, err := client.AdminWindow(t.Context(), "1h")
		return err == nil && w.Ledger.Stored == int64(len(drafts)) && w.BehindSeconds == 0
	})
}
