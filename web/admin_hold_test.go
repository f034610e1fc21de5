package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestNoPageGetsPastAHold(t *testing.T) {
	o := newOffice(t)
	old := time.Now().Add(-100 * 24 * time.Hour)
	conv := o.write(o.ann, worklog.Draft{Title: "evidence", Conversation: "c", LoggedAt: &old})
	o.write(o.ann, worklog.Draft{Title: "free", LoggedAt: &old})
	o.want("a hold", o.admin.post("/admin/holds", "conversation", conv, "reason", "court order 7"), http.StatusSeeOther)
	if doc := o.admin.see("/admin/retention?dry=true"); !strings.Contains(strings.Join(texts(doc, "#due li"), " "), "1 entry would be deleted") {
		t.Errorf("a dry run says %q", texts(doc, "#due li"))
	}
	o.want("the sweep", o.admin.post("/admin/retention/run"), http.StatusSeeOther)
	o.eventually("what is free is gone", func() bool {
		return o.query("SELECT string_agg(title || storage_status, ' ') FROM work_logs") == "evidencehot"
	})
	ann := o.signedIn(o.ann)
	w := ann.post("/conversations/" + conv + "/delete")
	o.want("its owner's deletion", w, http.StatusConflict)
	if !strings.Contains(w.Body.String(), "An administrator holds this conversation") {
		t.Errorf("the page does not say why: %.300s", w.Body)
	}
	o.want("erasure", o.admin.post(o.page(o.ann)+"/erase", "reason", "asked", "confirm", "ann@example.org"), http.StatusConflict)
	if got := o.query("SELECT count(*) FROM work_logs WHERE conversation_id IS NOT NULL"); got != "1" {
		t.Errorf("%s entries are left in the conversation", got)
	}
	if got := o.query("SELECT string_agg(action || ' ' || reason, ', ') FROM audit WHERE action LIKE '%hold%'"); !strings.Contains(got, "court order 7") {
		t.Errorf("the audit list says %q", got)
	}
}
