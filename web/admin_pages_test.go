package web

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/worklog"
)

func TestAnInvitationIsShownOnceAndLetsIn(t *testing.T) {
	o := newOffice(t)
	w := o.admin.post("/admin/users", "email", " Carl@example.org ", "admin", "true")
	o.want("inviting", w, http.StatusOK)
	link := regexp.MustCompile(`http://127\.0\.0\.1:8080(/enter/\w{43})`).FindStringSubmatch(w.Body.String())
	if link == nil || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("no link, or one that is kept: %s", w.Header())
	}
	id := o.query("SELECT id FROM users WHERE email = 'Carl@example.org' AND admin")
	if page := o.admin.get("/admin/users/" + id).Body.String(); strings.Contains(page, "/enter/") || !strings.Contains(page, "no password yet") {
		t.Errorf("the page afterwards: %.400s", page)
	}
	if strings.Contains(o.dump(), link[1][7:]) || strings.Contains(o.log.String(), link[1][7:]) {
		t.Error("the link is in the database or the log")
	}
	b := o.browser()
	o.want("entering", b.post(link[1], "password", "a walk along the quay"), http.StatusSeeOther, "/")
	o.want("the new admin", b.get("/admin/users"), http.StatusOK)
	w = o.admin.post("/admin/users/" + id + "/link")
	if !strings.Contains(w.Body.String(), "A new password for") {
		t.Errorf("a second link is no reset: %.300s", w.Body)
	}
	for name, form := range map[string][]string{"taken": {"email", "ANN@example.org"}, "no address": {"email", "ann"}, "empty": {}} {
		w := o.admin.post("/admin/users", form...)
		o.want(name, w, http.StatusUnprocessableEntity)
		if !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: no complaint", name)
		}
	}
}

func TestUsersAreListedSearchedAndPaged(t *testing.T) {
	o := newOffice(t)
	o.write(o.ann, worklog.Draft{Title: "x"})
	if _, err := o.store.CreateUser(t.Context(), "zoe_1@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	doc := o.admin.see("/admin/users")
	if got := texts(doc, ".users .name"); !slices.Equal(got, []string{"ann@example.org", "root@example.org", "zoe_1@example.org"}) {
		t.Errorf("listed %v", got)
	}
	if got := texts(doc, ".users li:nth-child(1) .aside"); !strings.Contains(got[0], "1 entry") {
		t.Errorf("facts %v", got)
	}
	if got := texts(o.admin.see("/admin/users?q=E_1"), ".users .name"); !slices.Equal(got, []string{"zoe_1@example.org"}) {
		t.Errorf("searched %v", got)
	}
	for i := range 60 {
		if _, err := o.store.CreateUser(t.Context(), fmt.Sprintf("user%02d@example.org", i), "", false); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for path := "/admin/users"; path != ""; {
		doc := o.admin.see(path)
		for _, name := range texts(doc, ".users .name") {
			seen[name] = true
		}
		path = ""
		if next := attributes(doc, "#older a", "href"); len(next) > 0 {
			path = next[0]
		}
	}
	if len(seen) != 63 {
		t.Errorf("%d users on all pages", len(seen))
	}
}

func TestADisabledUserIsOutAtOnceAndComesBack(t *testing.T) {
	o := newOffice(t)
	o.listen()
	ann := o.signedIn(o.ann)
	_, secret := o.token(o.ann, time.Hour, account.ScopeRead)
	if code := ann.bearer("/api/v1/stats", secret); code != 200 {
		t.Fatalf("the token: %d", code)
	}
	o.want("without a reason", o.admin.post(o.page(o.ann)+"/disable", "disabled", "true"), http.StatusUnprocessableEntity)
	o.want("without a word", o.admin.post(o.page(o.ann)+"/disable", "reason", "left us"), http.StatusSeeOther)
	o.want("disabling", o.admin.post(o.page(o.ann)+"/disable", "disabled", "true", "reason", "left us"), http.StatusSeeOther, o.page(o.ann))
	o.want("the session", ann.get("/"), http.StatusSeeOther, "/login")
	o.eventually("the token is refused", func() bool { return o.browser().bearer("/api/v1/stats", secret) == 401 })
	o.want("a link for one who is disabled", o.admin.post(o.page(o.ann)+"/link"), http.StatusConflict)
	o.want("letting in", o.admin.post(o.page(o.ann)+"/disable", "disabled", "false", "reason", "came back"), http.StatusSeeOther)
	o.eventually("the token works again", func() bool { return o.browser().bearer("/api/v1/stats", secret) == 200 })
}

func TestTheLastAdminStaysWhateverThePageSays(t *testing.T) {
	o := newOffice(t)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"disabled": o.admin.post(o.page(o.root)+"/disable", "disabled", "true", "reason", "tired"),
		"demoted":  o.admin.post(o.page(o.root)+"/role", "admin", "false"),
		"erased":   o.admin.post(o.page(o.root)+"/erase", "reason", "tired", "confirm", "root@example.org"),
	} {
		o.want(name, w, http.StatusConflict)
		if !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: no complaint", name)
		}
	}
	o.want("still there", o.admin.get("/admin/users"), http.StatusOK)
}

func TestARoleChangesAtOnceAndSignsOut(t *testing.T) {
	o := newOffice(t)
	ann := o.signedIn(o.ann)
	o.want("before", ann.get("/admin/users"), http.StatusForbidden)
	o.want("promoting", o.admin.post(o.page(o.ann)+"/role", "admin", "true"), http.StatusSeeOther)
	o.want("the old session", ann.get("/"), http.StatusSeeOther, "/login")
	other := o.signedIn(o.ann)
	o.want("the new admin", other.get("/admin/users"), http.StatusOK)
	o.want("twice", o.admin.post(o.page(o.ann)+"/role", "admin", "true"), http.StatusConflict)
	o.want("demoting the one who promoted", other.post(o.page(o.root)+"/role", "admin", "false"), http.StatusSeeOther)
	o.want("who was demoted", o.admin.get("/admin/users"), http.StatusSeeOther)
}

// Two administrators at two browsers take each other's role at the same moment.
func TestTwoAdminsCanNotTakeEachOther(t *testing.T) {
	o := newOffice(t)
	other := o.user("other@example.org", true)
	second := o.signedIn(other)
	var both sync.WaitGroup
	codes := [2]int{}
	both.Go(func() { codes[0] = o.admin.post(o.page(other)+"/role", "admin", "false").Code })
	both.Go(func() { codes[1] = second.post(o.page(o.root)+"/role", "admin", "false").Code })
	both.Wait()
	if n := o.query("SELECT count(*) FROM users WHERE admin AND disabled_at IS NULL"); n != "1" {
		t.Errorf("%s admins are left after %v", n, codes)
	}
}

func TestAPrivateEntryNeedsAReasonThatItsOwnerSees(t *testing.T) {
	o := newOffice(t)
	ann := o.signedIn(o.ann)
	conv := o.write(o.ann, worklog.Draft{Title: "a private plan", Details: "in every detail", Conversation: "c", ConversationTitle: "secret thread"})
	o.write(o.ann, worklog.Draft{Title: "another", Conversation: "d"})
	path := o.page(o.ann) + "/entries"
	if page := o.admin.get(path).Body.String(); strings.Contains(page, "private plan") || !strings.Contains(page, `name="reason"`) {
		t.Fatalf("without a reason: %.500s", page)
	}
	closed := []string{path + "?conversation=" + conv, "/conversations/" + conv, "/conversations/" + conv + "/stream"}
	shut := func(when string, paths ...string) {
		for _, p := range paths {
			if w := o.admin.get(p); w.Code == http.StatusOK && !strings.Contains(w.Body.String(), "gone") {
				t.Errorf("%s: GET %s: %d", when, p, w.Code)
			}
		}
	}
	shut("before", closed...)
	o.want("no reason", o.admin.post(o.page(o.ann)+"/read", "reason", " "), http.StatusUnprocessableEntity)
	o.want("a reason", o.admin.post(o.page(o.ann)+"/read", "reason", "support case 7"), http.StatusSeeOther, path)
	doc := o.admin.see(path)
	if got := texts(doc, ".rows .title"); !slices.Equal(got, []string{"another", "a private plan"}) {
		t.Errorf("shown %v", got)
	}
	if got := texts(doc, ".rows pre"); !slices.Equal(got, []string{"in every detail"}) {
		t.Errorf("details %v", got)
	}
	for _, href := range attributes(doc, "main a", "href") {
		if strings.HasPrefix(href, "/conversations/") || strings.HasPrefix(href, "/logs/") {
			t.Errorf("a link leads out of what was opened: %s", href)
		}
	}
	if got := texts(o.admin.see(path+"?conversation="+conv), ".rows .title"); !slices.Equal(got, []string{"a private plan"}) {
		t.Errorf("one conversation: %v", got)
	}
	shut("the ordinary pages", closed[1:]...)
	entry := o.query("SELECT id FROM work_logs WHERE title = 'a private plan'")
	o.want("the ordinary page of an entry", o.admin.get("/logs/"+entry), http.StatusNotFound)
	o.want("another session of the same admin", o.signedIn(o.root).get(path+"?conversation="+conv), http.StatusNotFound)
	if page := ann.get("/settings/data").Body.String(); !strings.Contains(page, "support case 7") || !strings.Contains(page, "root@example.org") {
		t.Errorf("the owner sees %.500s", page)
	}
	if page := o.admin.get("/admin/audit").Body.String(); !strings.Contains(page, "support case 7") {
		t.Error("the audit list lacks it")
	}
	o.want("closing", o.admin.post(o.page(o.ann)+"/read/end"), http.StatusSeeOther)
	shut("after closing", closed...)
	o.want("again", o.admin.post(o.page(o.ann)+"/read", "reason", "support case 8"), http.StatusSeeOther)
	o.exec("UPDATE readings SET expires_at = now()")
	if page := o.admin.get(path).Body.String(); strings.Contains(page, "private plan") {
		t.Error("it is open after its time")
	}
}

func TestAReasonOpensWhatLiesInTheArchiveToo(t *testing.T) {
	o := newOffice(t)
	old := time.Now().Add(-40 * 24 * time.Hour)
	o.write(o.ann, worklog.Draft{Title: "old", Details: "brought back from the cold", LoggedAt: &old})
	if _, err := o.server.sweeper.Run(t.Context(), retention.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := o.query("SELECT storage_status || details FROM work_logs"); got != "cold" {
		t.Fatalf("the entry is %q", got)
	}
	o.want("a reason", o.admin.post(o.page(o.ann)+"/read", "reason", "support case 7"), http.StatusSeeOther)
	if got := texts(o.admin.see(o.page(o.ann)+"/entries"), ".rows pre"); !slices.Equal(got, []string{"brought back from the cold"}) {
		t.Errorf("details %v", got)
	}
}

func TestAMissingObjectHidesNoOtherFromWhoGaveAReason(t *testing.T) {
	o := newOffice(t)
	old := time.Now().Add(-40 * 24 * time.Hour)
	o.write(o.ann, worklog.Draft{Title: "whole", Details: "brought back from the cold", LoggedAt: &old})
	o.write(o.ann, worklog.Draft{Title: "lost", Details: "not there", LoggedAt: &old})
	if _, err := o.server.sweeper.Run(t.Context(), retention.Options{}); err != nil {
		t.Fatal(err)
	}
	o.exec("UPDATE work_logs SET archive_url = 'gone' WHERE title = 'lost'")
	o.want("a reason", o.admin.post(o.page(o.ann)+"/read", "reason", "support case 7"), http.StatusSeeOther)
	if got := texts(o.admin.see(o.page(o.ann)+"/entries"), ".rows pre"); !slices.Equal(got, []string{"brought back from the cold"}) {
		t.Errorf("details %v", got)
	}
}

func TestNobodyErasesByAccident(t *testing.T) {
	o := newOffice(t)
	path := o.page(o.ann) + "/erase"
	for name, form := range map[string][]string{
		"nothing typed":     {"reason", "asked"},
		"another address":   {"reason", "asked", "confirm", "root@example.org"},
		"no reason":         {"confirm", "ann@example.org"},
		"a short reason":    {"reason", "x", "confirm", "ann@example.org"},
		"a reason too long": {"reason", strings.Repeat("x", 600), "confirm", "ann@example.org"},
	} {
		w := o.admin.post(path, form...)
		o.want(name, w, http.StatusUnprocessableEntity)
		if !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: no complaint", name)
		}
	}
	o.want("oneself", o.admin.post(o.page(o.root)+"/erase", "reason", "myself", "confirm", "root@example.org"), http.StatusConflict)
	conv := o.write(o.ann, worklog.Draft{Title: "x", Conversation: "c"})
	o.want("a hold", o.admin.post("/admin/holds", "conversation", "http://127.0.0.1:8080/conversations/"+conv, "reason", "court order 7"), http.StatusSeeOther)
	w := o.admin.post(path, "reason", "asked", "confirm", "ann@example.org")
	o.want("a held conversation", w, http.StatusConflict)
	if !strings.Contains(w.Body.String(), "under hold") {
		t.Errorf("it does not say why: %.400s", w.Body)
	}
	if n := o.query("SELECT count(*) FROM users WHERE erasing_at IS NOT NULL"); n != "0" {
		t.Errorf("%s erasures have begun", n)
	}
	if got := texts(o.admin.see("/admin/holds"), ".list b"); !slices.Equal(got, []string{conv}) {
		t.Errorf("held: %v", got)
	}
	o.want("a hold on nothing", o.admin.post("/admin/holds", "conversation", uuid.NewString(), "reason", "court"), http.StatusNotFound)
	o.want("a hold without a reason", o.admin.post("/admin/holds", "conversation", conv), http.StatusUnprocessableEntity)
	o.want("releasing without a reason", o.admin.post("/admin/holds/"+conv+"/release"), http.StatusUnprocessableEntity)
	o.want("releasing", o.admin.post("/admin/holds/"+conv+"/release", "reason", "settled"), http.StatusSeeOther)
	o.want("erasing", o.admin.post(path, "reason", "asked", "confirm", " ANN@example.org "), http.StatusSeeOther, o.page(o.ann))
	if page := o.admin.get(o.page(o.ann)).Body.String(); !strings.Contains(page, "under way") || strings.Contains(page, "ann@example.org") {
		t.Errorf("the page: %.600s", page)
	}
	for what, below := range map[string][]string{"a link": {"/link"}, "a role": {"/role", "admin", "true"}, "a limit": {"/limit", "limit", "5"}, "reading": {"/read", "reason", "why not"}, "an export": {"/export", "reason", "why not"}} {
		o.want(what+" for the erased", o.admin.post(o.page(o.ann)+below[0], below[1:]...), http.StatusConflict)
	}
}

func TestEverythingOfOneselfIsAZipAway(t *testing.T) {
	o := newOffice(t)
	o.write(o.ann, worklog.Draft{Title: "my entry", Conversation: "c"})
	o.write(o.root, worklog.Draft{Title: "root's entry"})
	ann := o.signedIn(o.ann)
	w := ann.post("/settings/export")
	o.want("the export", w, http.StatusOK)
	if h := w.Header(); h.Get("Content-Type") != "application/zip" || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="worklog-export-`) || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	text := unzip(t, w.Body.Bytes())
	if !strings.Contains(text, "my entry") || strings.Contains(text, "root's entry") {
		t.Errorf("the zip holds %.300s", text)
	}
	if got := texts(ann.see("/settings/data"), ".audit p"); len(got) == 0 || !strings.Contains(got[0], "exported everything of") {
		t.Errorf("written down: %v", got)
	}
	o.want("of another", ann.post(o.page(o.root)+"/export", "reason", "curious"), http.StatusForbidden)
	o.want("without a reason", o.admin.post(o.page(o.ann)+"/export"), http.StatusUnprocessableEntity)
	w = o.admin.post(o.page(o.ann)+"/export", "reason", "asked by letter")
	o.want("by an admin", w, http.StatusOK)
	if text := unzip(t, w.Body.Bytes()); !strings.Contains(text, "my entry") {
		t.Error("the admin's zip lacks the entry")
	}
	if page := ann.get("/settings/data").Body.String(); !strings.Contains(page, "asked by letter") {
		t.Error("the owner does not see the reason")
	}
	o.server.exports.running = map[int64]bool{o.ann.ID: true}
	o.want("a second one of the same user", ann.post("/settings/export"), http.StatusTooManyRequests)
	o.want("while somebody else has one", o.admin.post(o.page(o.ann)+"/export", "reason", "asked by letter"), http.StatusOK)
	for id := range int64(exportsAtOnce) {
		o.server.exports.running[-id] = true
	}
	o.want("too many at once", o.admin.post(o.page(o.ann)+"/export", "reason", "asked by letter"), http.StatusServiceUnavailable)
}

// unzip is the text of every file in a zip.
func unzip(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err == nil {
			_, err = io.Copy(&all, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func TestEverybodysTokensAreFoundAndRevoked(t *testing.T) {
	o := newOffice(t)
	plain, secret := o.token(o.ann, time.Hour, account.ScopeRead)
	strong, _ := o.token(o.root, time.Hour, account.ScopeAdmin)
	ids := func(path string) (list []string) {
		for _, action := range attributes(o.admin.see(path), ".list form", "action") {
			list = append(list, strings.Split(action, "/")[3])
		}
		slices.Sort(list)
		return list
	}
	both := []string{plain.ID, strong.ID}
	slices.Sort(both)
	for path, want := range map[string][]string{
		"/admin/tokens": both, "/admin/tokens?q=ANN": {plain.ID}, "/admin/tokens?which=powerful": {strong.ID}, "/admin/tokens?which=unused": nil, "/admin/tokens?q=%25": nil,
	} {
		if got := ids(path); !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", path, got, want)
		}
	}
	if code := o.browser().bearer("/api/v1/stats", secret); code != 200 {
		t.Fatalf("the token: %d", code)
	}
	o.want("revoking", o.admin.post("/admin/tokens/"+plain.ID+"/revoke", "back", "user"), http.StatusSeeOther, o.page(o.ann))
	if code := o.browser().bearer("/api/v1/stats", secret); code != 401 {
		t.Errorf("at once: %d", code)
	}
	o.want("twice", o.admin.post("/admin/tokens/"+plain.ID+"/revoke"), http.StatusNotFound)
	o.want("a cursor that is none", o.admin.get("/admin/tokens?before=x"), http.StatusBadRequest)
}

func TestTheAuditListIsFilteredAndPaged(t *testing.T) {
	o := newOffice(t)
	for i := range 60 {
		if err := o.store.By(account.CommandLine()).SetLimit(t.Context(), o.ann.ID, i+1); err != nil {
			t.Fatal(err)
		}
	}
	o.want("a sign-out", o.admin.post(o.page(o.ann)+"/sessions/end-all"), http.StatusSeeOther)
	doc := o.admin.see("/admin/audit")
	if got := texts(doc, ".audit li"); len(got) != 50 || !strings.Contains(got[0], "signed out") || !strings.Contains(got[1], "command line changed the limit of ann@example.org") {
		t.Errorf("%d lines, %v", len(got), got[:2])
	}
	next := attributes(doc, "#older a", "href")
	if got := texts(o.admin.see(next[0]), ".audit li"); len(got) != 11 {
		t.Errorf("the second page has %d lines", len(got))
	}
	if got := texts(o.admin.see("/admin/audit?action=user.sign_out"), ".audit li"); len(got) != 1 {
		t.Errorf("filtered: %v", got)
	}
	if got := texts(o.admin.see("/admin/audit?user="+fmt.Sprint(o.root.ID)), ".audit li"); len(got) != 1 {
		t.Errorf("of one user: %v", got)
	}
	for _, bad := range []string{"action=x", "before=x", "before=-1", "user=x", "user=0"} {
		o.want(bad, o.admin.get("/admin/audit?"+bad), http.StatusBadRequest)
	}
	o.want("nobody's", o.admin.get("/admin/audit?user=4711"), http.StatusNotFound)
}
