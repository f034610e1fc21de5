package retention_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
)

// A disk that is not mounted leaves an empty folder where the archive was.
func TestAFolderThatIsNotTheArchivesIsNeitherWrittenNorTakenForDeleted(t *testing.T) {
	for what, swap := range map[string]func(dir string) error{
		"not mounted": func(dir string) error { return os.Mkdir(dir, 0o700) },
		"not there":   func(string) error { return nil },
		"another's":   func(dir string) error { return os.MkdirAll(filepath.Join(dir, "another-installation", "1"), 0o700) },
	} {
		t.Run(what, func(t *testing.T) {
			w := setup(t)
			w.log(w.ann, w.aged(31, "gone"))
			w.sweep()
			mounted := w.dir + ".mounted"
			if err := errors.Join(os.Rename(w.dir, mounted), swap(w.dir)); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(60 * day)
			young := w.aged(31, "young")
			id := w.log(w.bob, young)[0]
			r := w.sweep()
			if r.State != store.SweepFailed || strings.Count(r.Error, "the archive's folder") != 2 {
				t.Errorf("report %+v", r.Sweep)
			}
			w.want(w.bob, "young:hot")
			w.wantWhole(w.bob, id, young)
			if n := one[int](w, "SELECT count(*) FROM archive_objects"); n != 1 {
				t.Errorf("%d objects are known, want the one that could not be deleted", n)
			}
			if _, err := os.Stat(w.dir); err == nil && len(w.files()) > 0 {
				t.Errorf("written to the wrong folder: %v", w.files())
			}
			if err := errors.Join(os.RemoveAll(w.dir), os.Rename(mounted, w.dir)); err != nil {
				t.Fatal(err)
			}
			if r := w.sweep(); r.State != store.SweepDone || r.DroppedBytes == 0 || r.Cold != 1 {
				t.Errorf("when it is back: %+v", r.Sweep)
			}
			if files := w.files(); len(files) != 1 {
				t.Errorf("the archive has %v, want bob's object", files)
			}
		})
	}
}

// Each batch holds its owner, and a million entries that are kept for ever would be fifty thousand of them, each day.
func TestWhatStaysAsItIsCostsItsOwnerNoBatch(t *testing.T) {
	w := setup(t)
	held := w.aged(100, "held")
	held.Conversation = "held"
	w.log(w.ann, w.aged(100, "kept"), held)
	if _, err := w.raw.Exec(w.ctx, "UPDATE conversations SET keep = key = 'work', hold = key = 'held'"); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	w.want(w.ann, "held:hot kept:archived")
	tx, err := w.raw.Begin(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(w.ctx, "SELECT FROM work_log_stats WHERE owner_id = $1 FOR UPDATE", w.ann.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	if r, err := w.sweeper.Run(ctx, retention.Options{}); err != nil || r.State != store.SweepDone {
		t.Errorf("while the owner is locked: %s, %q, %v", r.State, r.Error, err)
	}
	if err := tx.Rollback(w.ctx); err != nil {
		t.Fatal(err)
	}
}

func TestTheFolderOfAnOlderVersionIsKnownByItsObjects(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	w.sweep()
	id, err := w.Installation(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.dir, id+".archive")); err != nil {
		t.Fatal(err)
	}
	w.log(w.ann, w.aged(32, "b"))
	if r := w.sweep(); r.State != store.SweepDone || r.Cold != 1 {
		t.Errorf("report %+v", r.Sweep)
	}
	if _, err := os.Stat(filepath.Join(w.dir, id+".archive")); err != nil {
		t.Errorf("it is not marked: %v", err)
	}
}

func TestAnObjectThatWasForgottenTakesNoPayload(t *testing.T) {
	w := setup(t)
	d := w.aged(31, "a")
	id := w.log(w.ann, d)[0]
	s := w.infect()
	s.put = func(string) error { // as by somebody who pruned in the belief to be alone
		_, err := w.raw.Exec(w.ctx, "DELETE FROM archive_objects")
		return err
	}
	if r := w.sweep(); r.State != store.SweepFailed || !strings.Contains(r.Error, "was deleted before entries could point to it") {
		t.Errorf("report %+v", r.Sweep)
	}
	w.want(w.ann, "a:hot")
	w.wantWhole(w.ann, id, d)
}

func TestADamagedRowKeepsOnlyItsOwnersEntriesWhereTheyAre(t *testing.T) {
	w := setup(t)
	first, second := w.ann, w.bob
	if first.ID > second.ID { // a step goes by number: who is in the way comes first
		first, second = second, first
	}
	w.log(first, w.aged(8, "harmed"), w.aged(8.5, "whole"))
	whole := w.aged(8, "other")
	id := w.log(second, whole)[0]
	w.sweep()
	if _, err := w.raw.Exec(w.ctx, `UPDATE work_logs SET details_z = substr(details_z, 1, octet_length(details_z) - 4) WHERE title = 'harmed'`); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(30 * day)
	w.log(first, w.aged(8, "young"))
	r, err := w.sweeper.Run(w.ctx, retention.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.want(first, "harmed:warm whole:warm young:warm")
	w.want(second, "other:cold")
	w.wantWhole(second, id, whole)
	if want := fmt.Sprintf("cold: user %d left as is: ", first.ID); r.State != store.SweepFailed || !strings.HasPrefix(r.Error, want) || strings.Contains(r.Error, "\n") {
		t.Errorf("state %s, error %q, want %q and why", r.State, r.Error, want)
	}
	if last, ok, err := w.LastSweep(w.ctx); err != nil || !ok || last.Error != r.Error {
		t.Errorf("history says %+v, %v", last, err)
	}
}
