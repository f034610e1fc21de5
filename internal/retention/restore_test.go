package retention_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// wait waits for what other goroutines do.
func wait(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("not true within 30 s")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestARestoredConversationIsHotForAsLongAsAFreshOne(t *testing.T) {
	w := setup(t)
	var drafts []worklog.Draft
	for i := range 230 {
		drafts = append(drafts, w.aged([]float64{8, 31, 40}[i%3], fmt.Sprintf("%03d", i)))
	}
	other := w.aged(31, "other")
	other.Conversation = "other"
	ids := w.log(w.ann, append(drafts, other)...)
	w.sweep()
	conv, err := w.FindConversation(w.ctx, 0, "work")
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Owner: w.ann.ID, Conversation: conv.ID}, retention.RestoreOptions{})
	if err != nil || r.Entries != 230 || r.Failed != 0 {
		t.Fatalf("restored %+v, %v", r, err)
	}
	w.check()
	for i, d := range drafts {
		w.wantWhole(w.ann, ids[i], d)
	}
	if n := one[int](w, "SELECT count(*) FROM work_logs WHERE storage_status <> 'hot'"); n != 1 {
		t.Errorf("%d entries are not hot, want the one of the other conversation", n)
	}
	again, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Owner: w.ann.ID, Conversation: conv.ID}, retention.RestoreOptions{})
	if err != nil || again.Entries != 0 {
		t.Errorf("again %+v, %v", again, err)
	}
	w.now = w.now.Add(6 * day)
	if sw := w.sweep(); sw.Warm+sw.Cold != 0 {
		t.Errorf("the sweep took %d entries that were restored six days ago", sw.Warm+sw.Cold)
	}
	w.now = w.now.Add(2 * day)
	w.sweep()
	if n := one[int](w, "SELECT count(*) FROM work_logs WHERE storage_status = 'hot'"); n != 0 {
		t.Errorf("%d entries are still hot after their time", n)
	}
	for i, d := range drafts {
		w.wantWhole(w.ann, ids[i], d)
	}
}

func TestATimeRangeOfOneUserIsRestored(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"), w.aged(35, "b"), w.aged(40, "c"))
	w.log(w.bob, w.aged(35, "d"))
	w.sweep()
	q := store.RestoreQuery{Owner: w.ann.ID, Since: w.now.Add(-36 * day), Until: w.now.Add(-31 * day)}
	if r, err := w.sweeper.Restore(w.ctx, q, retention.RestoreOptions{}); err != nil || r.Entries != 1 {
		t.Errorf("restored %+v, %v", r, err)
	}
	w.want(w.ann, "a:cold b:hot c:cold")
	w.want(w.bob, "d:cold")
	if r, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Since: w.now.Add(-50 * day)}, retention.RestoreOptions{}); err != nil || r.Entries != 3 {
		t.Errorf("restored %+v, %v", r, err)
	}
	w.check()
	if files := w.files(); len(files) > 0 {
		t.Errorf("everything is hot and the archive still has %v", files)
	}
}

func TestWhatIsLostIsNamedAndTheRestIsRestored(t *testing.T) {
	w := setup(t)
	good := w.aged(31, "good")
	w.log(w.ann, w.aged(31, "lost"))
	goodID := w.log(w.bob, good)[0]
	w.sweep()
	for _, name := range w.files() {
		if strings.Contains(name, fmt.Sprintf("/%d/", w.ann.ID)) {
			if err := os.WriteFile(filepath.Join(w.dir, name), []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.use(must(openFolder(w.dir)))
	r, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Since: w.now.Add(-50 * day)}, retention.RestoreOptions{})
	if err != nil || r.Entries != 1 || r.Failed != 1 || len(r.Failures) != 1 {
		t.Errorf("restored %+v, %v", r, err)
	}
	w.check()
	w.want(w.ann, "lost:cold")
	w.wantWhole(w.bob, goodID, good)
}

func TestVerifyFindsWhatIsWrongAndPrunesOnlyWhenTold(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	w.log(w.bob, w.aged(31, "b"))
	w.sweep()
	id, err := w.Installation(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	stray, foreign := filepath.Join(w.dir, id, "7", "left.ndjson.zst.tmp"), filepath.Join(w.dir, "another-installation", "1", "x.ndjson.zst")
	for _, path := range []string{stray, foreign} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unused, data, err := w.archive.Pack(w.ann.ID, []store.Payload{{ID: "x", Metadata: []byte("{}")}}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CreateObject(w.ctx, unused); err != nil { // as by a sweep that was killed then
		t.Fatal(err)
	}
	if err := w.archive.Write(w.ctx, unused, data); err != nil {
		t.Fatal(err)
	}
	for _, prune := range []bool{false, false, true} {
		r, err := w.sweeper.Verify(w.ctx, retention.VerifyOptions{Prune: prune})
		if err != nil || !r.Sound() || r.Objects != 3 || len(r.Orphans) != 2 || (r.Pruned > 0) != prune {
			t.Errorf("prune %v: %+v, %v", prune, r, err)
		}
	}
	files := w.files()
	if len(files) != 3 { // two objects, and what is another installation's
		t.Errorf("left are %v", files)
	}
	for _, name := range files {
		if strings.HasPrefix(name, id) {
			if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if r, err := w.sweeper.Verify(w.ctx, retention.VerifyOptions{Prune: true}); err != nil || r.Sound() || len(r.Missing) != 1 {
		t.Errorf("with an object gone: %+v, %v", r, err)
	}
	w.check()
}

func TestPruningIsInTheAuditListBeforeTheFirstObjectIsDeleted(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	w.sweep()
	by := w.By(account.Actor{User: w.bob.ID})
	lines := func() int {
		return one[int](w, "SELECT count(*) FROM audit WHERE action = 'archive.prune' AND actor_id = $1", w.bob.ID)
	}
	s := w.infect()
	for _, o := range []retention.VerifyOptions{{Asked: &by}, {Prune: true, Asked: &by}} {
		if r, err := w.sweeper.Verify(w.ctx, o); err != nil || r.Pruned != 0 || lines() != 0 {
			t.Errorf("%+v, %v; %d lines though nothing was deleted", r, err, lines())
		}
	}
	for _, name := range []string{"b", "c"} {
		if err := s.Put(w.ctx, filepath.Join(filepath.Dir(w.files()[0]), name), nil); err != nil {
			t.Fatal(err)
		}
	}
	noted := 0
	s.remove = func(string) error { noted = lines(); return errors.New("killed") }
	if _, err := w.sweeper.Verify(w.ctx, retention.VerifyOptions{Prune: true, Asked: &by}); err == nil || noted != 1 {
		t.Errorf("%d lines when the first object goes, %v", noted, err)
	}
	s.remove = nil
	if r, err := w.sweeper.Verify(w.ctx, retention.VerifyOptions{Prune: true, Asked: &by}); err != nil || r.Pruned != 2 || lines() != 2 {
		t.Errorf("%+v, %v; %d lines of two prunings", r, err, lines())
	}
}

// Metadata of 60 KB may be 3 MB as PostgreSQL writes them out: a hundred of those are more than a small machine has.
func TestHeavyEntriesAreRestoredAFewAtATime(t *testing.T) {
	w := setup(t)
	numbers := make([]any, 10_000)
	for i := range numbers {
		numbers[i] = 1e308
	}
	var drafts []worklog.Draft
	for i := range 12 {
		d := w.aged([]float64{8, 31}[i%2], fmt.Sprint("heavy ", i))
		d.Metadata = worklog.Metadata{"numbers": numbers}
		drafts = append(drafts, d)
	}
	ids := w.log(w.ann, drafts...)
	w.sweep()
	var before, most int64
	r, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Owner: w.ann.ID}, retention.RestoreOptions{Progress: func(r retention.RestoreReport) {
		before, most = r.Entries, max(most, r.Entries-before)
	}})
	if err != nil || r.Entries != 12 || r.Failed != 0 {
		t.Fatalf("restored %+v, %v", r, err)
	}
	if most > 2 {
		t.Errorf("%d entries of 3 MB each were in memory together", most)
	}
	w.check()
	for i, d := range drafts {
		if row := w.read(w.ann, ids[i]); row.Details != d.Details || len(row.Metadata) != 1 {
			t.Errorf("%s has %d bytes of details and metadata of %d members", d.Title, len(row.Details), len(row.Metadata))
		}
	}
}

func TestErasingAnOwnerEmptiesTheArchiveOfThem(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	w.log(w.bob, w.aged(31, "b"))
	w.sweep()
	if err := w.archive.DropOwner(w.ctx, w.ann.ID); err == nil {
		t.Error("objects that entries need were dropped")
	}
	if len(w.files()) != 2 {
		t.Error("a refusal deleted something")
	}
	w.use(must(openFolder(w.dir)))
	if _, err := w.raw.Exec(w.ctx, "DELETE FROM work_logs WHERE owner_id = $1", w.ann.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.archive.DropOwner(w.ctx, w.ann.ID); err != nil {
		t.Error(err)
	}
	if files := w.files(); len(files) != 1 || one[int](w, "SELECT count(*) FROM archive_objects") != 1 {
		t.Errorf("left are %v", files)
	}
}
