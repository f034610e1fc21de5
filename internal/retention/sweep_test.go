package retention_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func TestEntriesFollowTheirAgeOver100Days(t *testing.T) {
	w := setup(t)
	d := w.aged(0, "a")
	id := w.log(w.ann, d)[0]
	w.log(w.bob, w.aged(0, "b"))
	for n := range 101 {
		want := "hot"
		switch {
		case n >= 90:
			want = ""
		case n >= 30:
			want = "cold"
		case n >= 7:
			want = "warm"
		}
		r := w.sweep()
		if r.State != store.SweepDone || r.Error != "" {
			t.Fatalf("day %d: %+v", n, r)
		}
		if want != "" {
			w.want(w.ann, "a:"+want)
			w.want(w.bob, "b:"+want)
			w.wantWhole(w.ann, id, d)
		} else {
			w.want(w.ann, "")
		}
		if n == 30 && len(w.files()) != 2 {
			t.Errorf("the archive has %v, want an object for each owner", w.files())
		}
		w.now = w.now.Add(day)
	}
	if files := w.files(); len(files) > 0 {
		t.Errorf("nothing is left but the archive still has %v", files)
	}
	if n := one[int](w, "SELECT sum(stored) FROM work_log_stats"); n != 2 {
		t.Errorf("the ledger says that %d entries were stored, want 2: it does not forget", n)
	}
}

func TestOneSweepBringsABackDatedImportToTheStatusOfItsAge(t *testing.T) {
	w := setup(t)
	var drafts []worklog.Draft
	for _, days := range []float64{0, 6.9, 7, 29.9, 30, 89.9, 90, 100} {
		drafts = append(drafts, w.aged(days, fmt.Sprintf("%04.1f", days)))
	}
	ids := w.log(w.ann, drafts...)
	w.check()
	r := w.sweep()
	w.want(w.ann, "00.0:hot 06.9:hot 07.0:warm 29.9:warm 30.0:cold 89.9:cold")
	if r.Warm != 2 || r.Cold != 2 || r.Deleted != 2 || r.Archived != 0 || r.FreedBytes <= 0 || r.StoredBytes <= 0 {
		t.Errorf("report %+v", r)
	}
	for i := range 6 {
		w.wantWhole(w.ann, ids[i], drafts[i])
	}
	again := w.sweep()
	if again.Warm+again.Cold+again.Archived+again.Deleted != 0 {
		t.Errorf("a second sweep found more: %+v", again)
	}
}

func TestWhatIsKeptIsArchivedAndNotDeleted(t *testing.T) {
	w := setup(t)
	kept, dropped := w.aged(100, "kept"), w.aged(100, "dropped")
	dropped.Conversation = "other"
	id := w.log(w.ann, kept, dropped)[0]
	conv, err := w.ConversationByKey(w.ctx, w.ann.ID, "work")
	if err != nil {
		t.Fatal(err)
	}
	keep := true
	if _, err := w.UpdateConversation(w.ctx, w.ann.ID, conv.ID, worklog.ConversationPatch{Keep: &keep}); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	w.want(w.ann, "kept:archived")
	w.now = w.now.Add(1000 * day)
	w.sweep()
	w.want(w.ann, "kept:archived")
	w.wantWhole(w.ann, id, kept)

	if err := w.DeleteConversation(w.ctx, w.ann.ID, conv.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.FinishDeletions(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	if !strings.Contains(w.statuses(w.ann), "kept:archived") {
		t.Errorf("deleting the conversation lost what was kept: %s", w.statuses(w.ann))
	}
}

func TestWhatIsKeptNoLongerIsDeleted(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(100, "a"))
	conv, err := w.ConversationByKey(w.ctx, w.ann.ID, "work")
	if err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{true, false} {
		if _, err := w.UpdateConversation(w.ctx, w.ann.ID, conv.ID, worklog.ConversationPatch{Keep: &keep}); err != nil {
			t.Fatal(err)
		}
		w.sweep()
	}
	w.want(w.ann, "")
	if files := w.files(); len(files) > 0 {
		t.Errorf("the archive still has %v", files)
	}
}

func TestAHoldKeepsTheSweepAway(t *testing.T) {
	w := setup(t)
	free := w.aged(100, "free")
	free.Conversation = "other"
	w.log(w.ann, w.aged(8, "new"), w.aged(31, "old"), w.aged(100, "oldest"), free)
	if _, err := w.raw.Exec(w.ctx, "UPDATE conversations SET hold = true WHERE key = 'work'"); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	w.want(w.ann, "new:hot old:hot oldest:hot")
	if files := w.files(); len(files) > 0 {
		t.Errorf("the archive has %v", files)
	}
	conv, err := w.ConversationByKey(w.ctx, w.ann.ID, "work")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteConversation(w.ctx, w.ann.ID, conv.ID); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("deleting what is held: %v, want a conflict", err)
	}
	if _, err := w.raw.Exec(w.ctx, "UPDATE conversations SET hold = false"); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	w.want(w.ann, "new:warm old:cold")
}

func TestADryRunSaysWhatASweepDoes(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(1, "a"), w.aged(8, "b"), w.aged(9, "c"), w.aged(31, "d"), w.aged(100, "e"))
	w.log(w.bob, w.aged(8, "f"), w.aged(200, "g"))
	before := w.statuses(w.ann) + w.statuses(w.bob)
	dry, err := w.sweeper.Run(w.ctx, retention.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if after := w.statuses(w.ann) + w.statuses(w.bob); after != before {
		t.Errorf("a dry run changed %q to %q", before, after)
	}
	var owners []string
	for _, st := range dry.Steps {
		for _, o := range st.Owners {
			owners = append(owners, fmt.Sprintf("%s %s %d", st.Step, o.Email, o.Entries))
		}
	}
	want := "deleted ann@example.org 1, deleted bob@example.org 1, cold ann@example.org 1, warm ann@example.org 2, warm bob@example.org 1"
	if got := strings.Join(owners, ", "); got != want {
		t.Errorf("dry run says %q, want %q", got, want)
	}
	r := w.sweep()
	if r.Warm != dry.Warm || r.Cold != dry.Cold || r.Archived != dry.Archived || r.Deleted != dry.Deleted {
		t.Errorf("dry run %+v, sweep %+v", dry.Sweep, r.Sweep)
	}
	if list, err := w.Sweeps(w.ctx, 10); err != nil || len(list) != 1 {
		t.Errorf("history %+v, %v, want the sweep and not the dry run", list, err)
	}
}

func TestManyEntriesMoveInBatchesOfOneOwner(t *testing.T) {
	w := setup(t)
	for range 5 {
		var a, b []worklog.Draft
		for i := range 150 {
			a, b = append(a, w.aged(100-float64(i%99), fmt.Sprint(i))), append(b, w.aged(31, fmt.Sprint(i)))
		}
		w.log(w.ann, a...)
		w.log(w.bob, b...)
	}
	var told int
	r, err := w.sweeper.Run(w.ctx, retention.Options{Progress: func(retention.Report) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	w.check()
	left := one[int](w, "SELECT count(*) FROM work_logs WHERE storage_status = 'hot' AND logged_at <= $1", w.now.Add(-7*day))
	if left != 0 || int(r.Deleted)+one[int](w, "SELECT count(*) FROM work_logs") != 1500 {
		t.Errorf("%d due entries are left, report %+v", left, r.Sweep)
	}
	if told < 5 { // each step's begin, and the end
		t.Errorf("progress was told %d times", told)
	}
	if n := one[int](w, "SELECT count(*) FROM archive_objects WHERE owner_id = $1", w.bob.ID); n != 1 {
		t.Errorf("bob's 750 payloads lie in %d objects, want 1", n)
	}
}

func TestRunningStepsKeepTheirPayloadUntilTheyComplete(t *testing.T) {
	w := setup(t)
	running := w.aged(31, "running")
	running.Key, running.Status = "k", worklog.StatusWorking
	id := w.log(w.ann, running)[0]
	w.sweep()
	w.want(w.ann, "running:cold")
	w.wantWhole(w.ann, id, running)
	done := running
	done.Status, done.Details = worklog.StatusSuccess, "it took a month"
	w.log(w.ann, done)
	w.check()
	w.want(w.ann, "running:hot")
	w.sweep()
	w.want(w.ann, "running:cold")
	w.wantWhole(w.ann, id, done)
	if len(w.files()) != 1 {
		t.Errorf("the archive has %v", w.files())
	}
}

func TestWarmEntriesAreReadSearchedAndChangedLikeAllOthers(t *testing.T) {
	w := setup(t)
	d := w.aged(8, "find me")
	d.Key = "k"
	w.log(w.ann, d)
	w.sweep()
	if z := one[int](w, "SELECT octet_length(details_z) FROM work_logs WHERE compression_level = 3 AND details = ''"); z >= len(d.Details)/2 {
		t.Errorf("%d bytes of details take %d", len(d.Details), z)
	}
	page, err := w.Entries(w.ctx, store.EntryQuery{Owner: w.ann.ID, Filter: store.EntryFilter{Query: "find"}})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].Details != d.Details || page.Rows[0].DetailsBytes != len(d.Details) {
		t.Errorf("page %+v, %v", page.Rows, err)
	}
	late := d
	late.Details += "and more"
	id := w.log(w.ann, late)[0]
	w.check()
	w.want(w.ann, "find me:hot")
	w.wantWhole(w.ann, id, late)
	w.sweep()
	w.want(w.ann, "find me:warm")
}

func TestLateFactsOfAColdEntryLeaveItsPayloadInTheArchive(t *testing.T) {
	w := setup(t)
	d := w.aged(31, "a")
	d.Key = "k"
	id := w.log(w.ann, d)[0]
	w.sweep()
	same := d
	w.log(w.ann, same)
	end := w.now
	late := d
	late.Details, late.Metadata, late.EndedAt = "other details, longer "+d.Details, worklog.Metadata{"x": 1}, &end
	w.log(w.ann, late)
	w.check()
	w.want(w.ann, "a:cold")
	w.wantWhole(w.ann, id, d)
	if row := w.read(w.ann, id); !row.EndedAt.Equal(end.Truncate(time.Microsecond)) || row.Archive != worklog.ArchiveRead {
		t.Errorf("entry %+v", row)
	}
}

func TestADryRunWhoseTimeIsUpSaysWhoHasMore(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	busy, err := w.raw.Begin(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := busy.Exec(w.ctx, "LOCK work_logs"); err != nil {
		t.Fatal(err)
	}
	_, err = w.sweeper.Run(w.ctx, retention.Options{DryRun: true, Within: 100 * time.Millisecond})
	if worklog.CodeOf(err) != worklog.CodeUnavailable || !strings.Contains(err.Error(), "worklog cleanup --dry-run") {
		t.Errorf("the dry run ended with %v", err)
	}
	if err := busy.Rollback(w.ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := w.sweeper.Run(w.ctx, retention.Options{DryRun: true, Within: time.Minute}); err != nil || r.Cold != 1 {
		t.Errorf("with time: %+v, %v", r, err)
	}
}

// Ten thousand times 1e308 are 60 KB in a draft, hardly anything as PostgreSQL compresses them, and 3 MB as it writes them
// out: neither the memory of a sweep nor an object may grow with that.
func TestMetadataThatUnpacksHugeIsArchivedInPieces(t *testing.T) {
	w := setup(t)
	numbers := make([]any, 10_000)
	for i := range numbers {
		numbers[i] = 1e308
	}
	at := w.now.Add(-31 * day)
	var drafts []worklog.Draft
	for i := range 3 {
		drafts = append(drafts, worklog.Draft{Title: fmt.Sprintf("%02d", i), LoggedAt: &at, Metadata: worklog.Metadata{"numbers": numbers}})
	}
	ids := w.log(w.ann, drafts...)
	if r := w.sweep(); r.State != store.SweepDone || r.Cold != 3 {
		t.Fatalf("report %+v", r.Sweep)
	}
	if n := one[int](w, "SELECT max(entries) FROM archive_objects"); n != 1 {
		t.Errorf("an object has %d entries of 3 MB", n)
	}
	if row := w.read(w.ann, ids[2]); row.Archive != worklog.ArchiveRead || len(row.Metadata) != 1 {
		t.Errorf("the last one is %q", row.Archive)
	}
}
