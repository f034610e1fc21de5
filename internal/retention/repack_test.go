package retention_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// in files a draft under a conversation.
func in(conversation string, d worklog.Draft) worklog.Draft {
	d.Conversation = conversation
	return d
}

// set changes a conversation as its owner or an admin does, with a condition like "keep = true".
func (w *world) set(conversation, to string) {
	w.t.Helper()
	if _, err := w.raw.Exec(w.ctx, "UPDATE conversations SET "+to+" WHERE key = $1", conversation); err != nil {
		w.t.Fatal(err)
	}
}

// wantInArchive fails unless every payload that lies in the archive is one that an entry needs, and so many there are.
func (w *world) wantInArchive(payloads int) {
	w.t.Helper()
	if n := one[int](w, "SELECT COALESCE(sum(entries), 0) FROM archive_objects"); n != payloads {
		w.t.Errorf("%d payloads lie in the archive, want %d", n, payloads)
	}
	if one[int](w, "SELECT count(*) FROM archive_objects WHERE rows > 0") != len(w.files()) {
		w.t.Errorf("files %v", w.files())
	}
}

func TestWhatIsKeptAndWhatIsNotLieInObjectsOfTheirOwn(t *testing.T) {
	w := setup(t)
	kept := in("kept", w.aged(31, "kept"))
	id := w.log(w.ann, kept, w.aged(31, "gone"))[0]
	w.set("kept", "keep = true")
	w.sweep()
	if n := len(w.files()); n != 2 {
		t.Errorf("%d objects, want one for what is kept and one for what is not", n)
	}
	w.now = w.now.Add(60 * day)
	w.sweep()
	w.want(w.ann, "kept:archived")
	w.wantWhole(w.ann, id, kept)
	w.wantInArchive(1)
}

func TestWhatIsDeletedLeavesAnObjectThatOthersStillNeed(t *testing.T) {
	for what, stays := range map[string]struct{ set, status string }{
		"kept afterwards": {"keep = true", "archived"},
		"held afterwards": {"hold = true", "cold"},
	} {
		t.Run(what, func(t *testing.T) {
			w := setup(t)
			whole, young := in("stays", w.aged(31, "stays")), w.aged(20, "young")
			ids := w.log(w.ann, whole, w.aged(31, "gone"), young)
			w.sweep()
			w.set("stays", stays.set)
			w.now = w.now.Add(60 * day)
			w.sweep()
			w.want(w.ann, "stays:"+stays.status+" young:cold")
			w.wantWhole(w.ann, ids[0], whole)
			w.wantWhole(w.ann, ids[2], young)
			w.wantInArchive(2)
			files := fmt.Sprint(w.files())
			w.sweep()
			if again := fmt.Sprint(w.files()); again != files {
				t.Errorf("the next sweep wrote again what was right: %s, then %s", files, again)
			}
		})
	}
}

// stopped runs sweeps that are stopped one step later each, until one comes to its end.
func (w *world) stopped(stop func(s *sick, stops int, cancel func())) {
	w.t.Helper()
	for stops := 1; ; stops++ {
		ctx, cancel := context.WithCancel(w.ctx)
		s := w.infect()
		stop(s, stops, cancel)
		_, err := w.sweeper.Run(ctx, retention.Options{})
		cancel()
		w.check()
		if err == nil {
			if stops == 1 {
				w.t.Error("no sweep was stopped: nothing is proven")
			}
			return
		}
		if stops > 20 {
			w.t.Fatalf("it never ends: %v", err)
		}
	}
}

func TestARepackThatWasStoppedAnywhereIsFinishedByTheNext(t *testing.T) {
	w := setup(t)
	var drafts []worklog.Draft
	for i := range 300 {
		drafts = append(drafts, in([]string{"stays", "goes", "stays too"}[i%3], w.aged(31, fmt.Sprintf("%03d", i))))
	}
	ids := w.log(w.ann, drafts...)
	w.sweep()
	w.set("stays", "keep = true")
	w.set("stays too", "keep = true")
	w.now = w.now.Add(60 * day)
	for _, sql := range []string{ // in the middle of what moves from one object to the other
		"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stopped'; END $$",
		"CREATE TRIGGER stop BEFORE UPDATE ON archive_objects FOR EACH ROW WHEN (OLD.rows = 40 AND NEW.rows = 60) EXECUTE FUNCTION stop()",
	} {
		if _, err := w.raw.Exec(w.ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.sweep(); r.State != store.SweepFailed || one[int](w, "SELECT count(*) FROM archive_objects WHERE rows = 40") != 1 {
		t.Errorf("it was not stopped half way: %+v", r.Sweep)
	}
	if _, err := w.raw.Exec(w.ctx, "DROP TRIGGER stop ON archive_objects"); err != nil {
		t.Fatal(err)
	}
	w.stopped(func(s *sick, stops int, cancel func()) {
		s.put = func(string) error {
			if stops == 1 {
				cancel() // before the new object is there
			}
			return nil
		}
		s.remove = func(string) error {
			if stops == 2 {
				cancel() // before the old one is gone
			}
			return nil
		}
	})
	w.sweep()
	w.wantInArchive(200)
	for i, id := range ids {
		if i%3 != 1 {
			w.wantWhole(w.ann, id, drafts[i])
		}
	}
}

func TestADamagedObjectKeepsNoOtherFromBeingPackedAnew(t *testing.T) {
	w := setup(t)
	whole := in("stays", w.aged(31, "whole"))
	w.log(w.ann, in("stays", w.aged(31, "harmed")), w.aged(31, "gone"))
	id := w.log(w.bob, whole, w.aged(31, "gone as well"))[0]
	w.sweep()
	w.set("stays", "keep = true")
	if _, err := w.raw.Exec(w.ctx, "UPDATE archive_objects SET sha256 = 'x' WHERE owner_id = $1", w.ann.ID); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(60 * day)
	if r := w.sweep(); r.State != store.SweepDone {
		t.Errorf("report %+v", r.Sweep)
	}
	w.want(w.ann, "harmed:archived")
	w.wantWhole(w.bob, id, whole)
	w.wantInArchive(3)
}
