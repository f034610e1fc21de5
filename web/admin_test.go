package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// office is a gate with an administrator at a browser, a user with entries, and a sweeper.
type office struct {
	*gate
	root  account.User
	admin *browser
	ann   account.User
}

func newOffice(t *testing.T) *office {
	t.Helper()
	var sweeper *retention.Sweeper
	g := newGate(t, func(d *Deps) {
		bucket, err := archive.Open("file://"+filepath.Join(t.TempDir(), "archive"), archive.Credentials{})
		if err != nil {
			t.Fatal(err)
		}
		id, err := d.Store.Installation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Archive = archive.New(bucket, id, d.Store)
		sweeper = retention.New(d.Store, d.Archive, retention.Settings{Hot: 7 * 24 * time.Hour, Warm: 30 * 24 * time.Hour, Cold: 90 * 24 * time.Hour, At: farFromNow(), Log: slog.New(slog.DiscardHandler)})
		d.Sweeper, d.Config.RateLimit = sweeper, 60
		d.API = api.New(api.Deps{Store: d.Store, Sweeper: sweeper, Archive: d.Archive, Hub: d.Hub, Now: d.Now})
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = sweeper.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	o := &office{gate: g, root: g.user("root@example.org", true), ann: g.user("ann@example.org", false)}
	o.admin = g.signedIn(o.root)
	return o
}

// farFromNow is a time of day at which the daily sweep is neither due while a test runs nor missed since its database was made.
func farFromNow() time.Duration {
	now := time.Now().UTC()
	return (now.Sub(now.Truncate(24*time.Hour)) + 12*time.Hour) % (24 * time.Hour)
}

// write appends an entry of a user and returns its conversation.
func (o *office) write(owner account.User, d worklog.Draft) string {
	o.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	d.Normalize()
	w := store.Write{Owner: owner.ID, EntryID: uuid.NewString(), Conversation: d.Conversation, ConversationTitle: d.ConversationTitle, Facts: change.Of(&d, at)}
	results, locked, err := o.store.Append(o.Context(), store.Batch{Now: at, Writes: []store.Write{w}})
	if err != nil || len(locked) > 0 {
		o.Fatalf("append: %v, locked %v", err, locked)
	}
	return results[0].Row.ConversationID
}

// user is the path of a user's admin page.
func (o *office) page(u account.User) string { return "/admin/users/" + fmt.Sprint(u.ID) }

// see gets a page of the administrator's and fails unless it is there.
func (b *browser) see(path string) *html.Node {
	b.g.Helper()
	w := b.get(path)
	if w.Code != http.StatusOK {
		b.g.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return parse(b.g, w)
}

func parse(g *gate, w *httptest.ResponseRecorder) *html.Node {
	g.Helper()
	doc, err := html.Parse(w.Body)
	if err != nil {
		g.Fatal(err)
	}
	return doc
}

// attributes is the attribute of every element that matches and has it.
func attributes(doc *html.Node, selector, name string) (values []string) {
	for _, n := range cascadia.QueryAll(doc, cascadia.MustCompile(selector)) {
		for _, a := range n.Attr {
			if a.Key == name {
				values = append(values, a.Val)
			}
		}
	}
	return values
}

// lines is how many the audit list has.
func (o *office) lines() string { return o.query("SELECT count(*) FROM audit") }

// recipe makes what a route needs and says what to post to which path.
type recipe func(o *office) (path string, form []string)

// recipes is a use of every route of administrators that changes something. TestEveryActOfAdminsIsInTheAuditList fails
// for a route that is not here.
func recipes() map[string]recipe {
	on := func(below string, form ...string) recipe {
		return func(o *office) (string, []string) { return o.page(o.ann) + below, form }
	}
	return map[string]recipe{
		"POST /admin/users": func(*office) (string, []string) {
			return "/admin/users", []string{"email", uuid.NewString() + "@example.org"}
		},
		"POST /admin/users/:id/link":    on("/link"),
		"POST /admin/users/:id/disable": on("/disable", "disabled", "true", "reason", "left us"),
		"POST /admin/users/:id/role":    on("/role", "admin", "true"),
		"POST /admin/users/:id/limit":   on("/limit", "limit", "120"),
		"POST /admin/users/:id/sessions/end-all": func(o *office) (string, []string) {
			o.signedIn(o.ann)
			return o.page(o.ann) + "/sessions/end-all", nil
		},
		"POST /admin/users/:id/sessions/:session/end": func(o *office) (string, []string) {
			o.signedIn(o.ann)
			return o.page(o.ann) + "/sessions/" + o.query("SELECT id FROM sessions WHERE user_id = "+fmt.Sprint(o.ann.ID)+" LIMIT 1") + "/end", nil
		},
		"POST /admin/users/:id/export": on("/export", "reason", "asked"),
		"POST /admin/users/:id/erase":  on("/erase", "reason", "asked", "confirm", "ann@example.org"),
		"POST /admin/users/:id/read":   on("/read", "reason", "a case"),
		"POST /admin/users/:id/read/end": func(o *office) (string, []string) {
			o.want("reading", o.admin.post(o.page(o.ann)+"/read", "reason", "a case"), http.StatusSeeOther)
			return o.page(o.ann) + "/read/end", nil
		},
		"POST /admin/tokens/:id/revoke": func(o *office) (string, []string) {
			t, _ := o.token(o.ann, time.Hour, account.ScopeRead)
			return "/admin/tokens/" + t.ID + "/revoke", nil
		},
		"POST /admin/holds": func(o *office) (string, []string) {
			return "/admin/holds", []string{"conversation", o.write(o.ann, worklog.Draft{Title: "x", Conversation: "held"}), "reason", "court"}
		},
		"POST /admin/holds/:id/release": func(o *office) (string, []string) {
			id := o.write(o.ann, worklog.Draft{Title: "x", Conversation: "released"})
			o.want("holding", o.admin.post("/admin/holds", "conversation", id, "reason", "court"), http.StatusSeeOther)
			return "/admin/holds/" + id + "/release", []string{"reason", "settled"}
		},
		"POST /admin/retention/run":  func(*office) (string, []string) { return "/admin/retention/run", nil },
		"POST /api/v1/admin/cleanup": nil, // by token: TestASweepOverTheAPIIsInTheAuditList
	}
}

// audited reports whether a route changes something in the name of an administrator.
func audited(method, path string) bool {
	return strings.Contains(path, "/admin") && method != http.MethodGet
}

func TestEveryActOfAdminsIsInTheAuditList(t *testing.T) {
	g := newOffice(t)
	known := recipes()
	for _, r := range g.server.table {
		name := r.Method + " " + r.Path
		if !audited(r.Method, r.Path) {
			continue
		}
		make, ok := known[name]
		delete(known, name)
		if !ok {
			t.Errorf("%s has no recipe: say how to use it, so that its line in the audit list is proved", name)
		}
		if make == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			path, form := make(o)
			before := o.lines()
			if w := o.admin.post(path, form...); w.Code >= 400 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if after := o.lines(); after == before {
				t.Errorf("no line was written: %s before, %s after", before, after)
			}
			if who := o.query("SELECT actor_id || ' ' || address FROM audit ORDER BY id DESC LIMIT 1"); who != fmt.Sprint(o.root.ID)+" 192.0.2.7" {
				t.Errorf("the line names %q", who)
			}
		})
	}
	for name := range known {
		t.Errorf("%s is no route", name)
	}
}

func TestEveryActOfAdminsNeedsAFreshPasswordAndNoOtherSite(t *testing.T) {
	o := newOffice(t)
	o.clock.advance(recentLogin + time.Second)
	for name, make := range recipes() {
		if make == nil || name == "POST /admin/users/:id/read/end" || name == "POST /admin/holds/:id/release" {
			continue // giving back needs nothing; a hold can not be set up here
		}
		path, form := make(o)
		before := o.lines()
		w := o.admin.post(path, form...)
		if got := o.keptForm(w, password).Get("action"); got != path {
			t.Errorf("%s: %d, and then %q", name, w.Code, got)
		}
		values := url.Values{}
		for i := 0; i+1 < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		if w := o.admin.do(http.MethodPost, path, values, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", name, w.Code)
		}
		if after := o.lines(); after != before {
			t.Errorf("%s was done all the same", name)
		}
	}
}

// exec changes the database behind the program's back.
func (g *gate) exec(sql string) {
	g.Helper()
	conn, err := pgx.Connect(g.Context(), g.dsn)
	if err == nil {
		_, err = conn.Exec(g.Context(), sql)
		_ = conn.Close(context.Background())
	}
	if err != nil {
		g.Fatal(err)
	}
}

func TestASweepOverTheAPIIsInTheAuditList(t *testing.T) {
	o := newOffice(t)
	_, secret := o.token(o.root, time.Hour, account.ScopeAdmin)
	before := o.lines()
	for body, want := range map[string]bool{`{"dry_run":true}`: false, `{"dry_run":false}`: true} {
		r := httptest.NewRequestWithContext(o.Context(), http.MethodPost, "/api/v1/admin/cleanup", strings.NewReader(body))
		r.Host, r.RemoteAddr = "127.0.0.1:8080", "192.0.2.7:4711"
		w := o.browser().send(r, "Authorization", "Bearer "+secret, "Content-Type", "application/json")
		if w.Code >= 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if after := o.lines(); (after != before) != want {
			t.Errorf("%s: %s lines before, %s after", body, before, after)
		}
		before = o.lines()
	}
}
