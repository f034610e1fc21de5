package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestAPageCanNotSweepWhileAnotherProcessDoes(t *testing.T) {
	o := newOffice(t)
	old := time.Now().Add(-100 * 24 * time.Hour)
	o.write(o.ann, worklog.Draft{Title: "old", LoggedAt: &old})
	_, release, err := o.store.LockRetention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	w := o.admin.post("/admin/retention/run")
	o.want("sweeping", w, http.StatusConflict)
	if !strings.Contains(w.Body.String(), "is running already") {
		t.Errorf("the page does not say why: %.400s", w.Body)
	}
	if n := o.query("SELECT count(*) FROM audit WHERE action = 'retention.sweep'"); n != "0" {
		t.Errorf("%s sweeps are in the audit list, none began", n)
	}
}

func TestRetentionIsShownCountedAndRunFromThePage(t *testing.T) {
	o := newOffice(t)
	old := time.Now().Add(-100 * 24 * time.Hour)
	o.write(o.ann, worklog.Draft{Title: "old", LoggedAt: &old})
	o.write(o.ann, worklog.Draft{Title: "new"})
	doc := o.admin.see("/admin/retention")
	if got := texts(doc, "dl.about dd"); len(got) != 6 || got[0] != "up to 7 days: as written" {
		t.Errorf("settings %v", got)
	}
	doc = o.admin.see("/admin/retention?dry=true")
	if got := texts(doc, "#due li"); len(got) != 1 || !strings.Contains(got[0], "1 entry would be deleted") || !strings.Contains(got[0], "ann@example.org 1") {
		t.Errorf("due %v", got)
	}
	if n := o.query("SELECT count(*) FROM work_logs"); n != "2" {
		t.Errorf("a dry run left %s entries", n)
	}
	o.want("sweeping", o.admin.post("/admin/retention/run"), http.StatusSeeOther, "/admin/retention?started=true")
	if got := attributes(o.admin.see("/admin/retention?started=true"), "#sweeps", "hx-get"); !slices.Equal(got, []string{"/admin/retention/changes"}) {
		t.Errorf("the page does not follow: %v", got)
	}
	o.eventually("the sweep is done", func() bool {
		doc = o.admin.see("/admin/retention/changes")
		got := texts(doc, "#sweeps li b")
		return len(got) == 1 && strings.Contains(got[0], "1 deleted") && len(attributes(doc, "#sweeps", "hx-get")) == 0 // and its page asks no more
	})
	if n := o.query("SELECT count(*) FROM work_logs"); n != "1" {
		t.Errorf("the sweep left %s entries", n)
	}
	if got := o.query("SELECT string_agg(action || ' by ' || actor_id, ', ') FROM audit WHERE action LIKE 'retention.%'"); got != fmt.Sprint("retention.sweep by ", o.root.ID) {
		t.Errorf("the audit list says %q", got)
	}
	o.want("a word as flag", o.admin.get("/admin/retention?dry=perhaps"), http.StatusBadRequest)
}

// A folder that is not there any more, a full disk: the administrator must not have to look into a log.
func TestTheDashboardSaysWhyASweepWasStopped(t *testing.T) {
	o := newOffice(t)
	o.exec(`INSERT INTO sweeps (started_by, state, started_at, updated_at, finished_at, warm, error)
		VALUES ('schedule', 'failed', now() - interval '2 minutes', now(), now(), 7, 'cold: archive: write x.ndjson.zst: no space left on device')`)
	for path, place := range map[string]string{"/admin": "#board-sweep", "/admin/retention": "#sweeps"} {
		said := strings.Join(texts(o.admin.see(path), place), " ")
		if !strings.Contains(said, "failed") || !strings.Contains(said, "no space left on device") {
			t.Errorf("%s says %q", path, said)
		}
	}
}

// A process that was killed can not say so: the one that is asked to sweep knows.
func TestASweepCanBeAskedForWhateverTheLastOneLooksLike(t *testing.T) {
	o := newOffice(t)
	o.exec("INSERT INTO sweeps (started_by, state, started_at, updated_at) VALUES ('page', 'running', now(), now())")
	if got := texts(o.admin.see("/admin/retention"), "form[action='/admin/retention/run'] button"); len(got) != 1 {
		t.Fatalf("buttons %v", got)
	}
	o.want("sweeping", o.admin.post("/admin/retention/run"), http.StatusSeeOther, "/admin/retention?started=true")
	o.eventually("the killed one is interrupted, the new one done", func() bool {
		return o.query("SELECT string_agg(state, ' ' ORDER BY id) FROM sweeps") == "interrupted done"
	})
}
