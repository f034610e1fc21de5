package retention_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// sick is a folder that fails as disks and networks do. Nil functions let it be.
type sick struct {
	archive.Bucket
	put    func(name string) error // instead of writing
	torn   bool                    // writes half and says nothing
	remove func(name string) error // instead of deleting
	puts   atomic.Int64
}

func (s *sick) Put(ctx context.Context, name string, data []byte) error {
	if strings.HasSuffix(name, ".archive") { // the mark of the place
		return s.Bucket.Put(ctx, name, data)
	}
	s.puts.Add(1)
	if s.put != nil {
		if err := s.put(name); err != nil {
			return err
		}
	}
	if s.torn {
		data = data[:len(data)/2]
	}
	return s.Bucket.Put(ctx, name, data)
}

func (s *sick) Delete(ctx context.Context, name string) error {
	if s.remove != nil {
		if err := s.remove(name); err != nil {
			return err
		}
	}
	return s.Bucket.Delete(ctx, name)
}

func (s *sick) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return s.Bucket.List(ctx, prefix)
}

// infect lets the archive fail from here on.
func (w *world) infect() *sick {
	w.t.Helper()
	b, err := archive.Open("file://"+w.dir, archive.Credentials{})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &sick{Bucket: b}
	w.use(s)
	return s
}

func full(name string) error { return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC} }

func TestAnArchiveThatCanNotBeWrittenStopsOnlyItsSteps(t *testing.T) {
	for fault, infect := range map[string]func(*sick){
		"disk full":       func(s *sick) { s.put = full },
		"half is written": func(s *sick) { s.torn = true },
		"store is away":   func(s *sick) { s.put = func(string) error { return errors.New("dial tcp: connection refused") } },
		"folder read-only": func(s *sick) {
			s.put = func(n string) error { return &fs.PathError{Op: "mkdirat", Path: n, Err: syscall.EROFS} }
		},
	} {
		t.Run(fault, func(t *testing.T) {
			w := setup(t)
			s := w.infect()
			infect(s)
			drafts := []worklog.Draft{w.aged(8, "warm"), w.aged(31, "cold"), w.aged(100, "gone")}
			ids := w.log(w.ann, drafts...)
			r := w.sweep()
			w.want(w.ann, "cold:hot warm:warm")
			if r.State != store.SweepFailed || !strings.Contains(r.Error, "cold: archive:") {
				t.Errorf("state %s, error %q", r.State, r.Error)
			}
			last, ok, err := w.LastSweep(w.ctx)
			if err != nil || !ok || last.Error != r.Error || last.State != store.SweepFailed {
				t.Errorf("history says %+v, %v", last, err)
			}
			w.wantWhole(w.ann, ids[1], drafts[1])

			s.put, s.torn = nil, false
			if r := w.sweep(); r.State != store.SweepDone || r.Cold != 1 {
				t.Errorf("when it is well again: %+v", r.Sweep)
			}
			w.want(w.ann, "cold:cold warm:warm")
			w.wantWhole(w.ann, ids[1], drafts[1])
			if n := len(w.files()); n != 1 {
				t.Errorf("%d files are left of one object: %v", n, w.files())
			}
		})
	}
}

func TestAnObjectThatCanNotBeDeletedIsDeletedByTheNextSweep(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	w.sweep()
	s := w.infect()
	s.remove = func(name string) error { return &fs.PathError{Op: "unlinkat", Path: name, Err: syscall.EROFS} }
	w.now = w.now.Add(60 * day)
	if r := w.sweep(); r.State != store.SweepFailed || !strings.Contains(r.Error, "deleted: archive:") {
		t.Errorf("report %+v", r.Sweep)
	}
	s.remove = nil
	if r := w.sweep(); r.State != store.SweepDone || r.DroppedBytes == 0 {
		t.Errorf("report %+v", r.Sweep)
	}
	w.want(w.ann, "")
	if files := w.files(); len(files) > 0 {
		t.Errorf("the archive still has %v", files)
	}
}

func TestASweepThatWasStoppedAnywhereIsFinishedByTheNext(t *testing.T) {
	w := setup(t)
	var drafts []worklog.Draft
	for i := range 250 {
		drafts = append(drafts, w.aged([]float64{8, 31, 40, 100}[i%4], fmt.Sprintf("%03d", i)))
	}
	ids := w.log(w.ann, drafts...)
	for stops := 1; ; stops++ {
		ctx, cancel := context.WithCancel(w.ctx)
		s := w.infect()
		s.put = func(string) error { // in the middle of the cold step, once it has written stops-1 objects
			if s.puts.Load() == int64(stops) {
				cancel()
			}
			return nil
		}
		seen := 0
		r, err := w.sweeper.Run(ctx, retention.Options{Progress: func(retention.Report) {
			if seen++; seen == stops { // at the begin of each step in turn
				cancel()
			}
		}})
		cancel()
		w.check()
		if err == nil {
			if r.State != store.SweepDone {
				t.Errorf("the last sweep: %+v", r.Sweep)
			}
			break
		}
		if stops > 10 {
			t.Fatalf("it never ends: %v", err)
		}
	}
	if n := one[int](w, "SELECT count(*) FROM sweeps WHERE state = 'interrupted'"); n == 0 {
		t.Error("no sweep was interrupted: nothing is proven")
	}
	w.sweep()
	for i, id := range ids {
		if i%4 == 3 {
			continue
		}
		w.wantWhole(w.ann, id, drafts[i])
	}
	if one[int](w, "SELECT count(*) FROM archive_objects") != len(w.files()) {
		t.Errorf("files %v", w.files())
	}
}

func TestOfManyProcessesOneSweepsEachDay(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(8, "a"))
	w.now = w.now.Add(2 * day)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	done := make(chan error, 4)
	for range cap(done) {
		go func() { done <- w.newSweeper().Serve(ctx) }()
	}
	wait(t, func() bool { return strings.Contains(w.statuses(w.ann), "warm") })
	wait(t, func() bool {
		return one[int](w, "SELECT count(*) FROM sweeps WHERE state = 'done'") > 0
	})
	cancel()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	again, stop := context.WithCancel(w.ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- w.newSweeper().Serve(again) }()
	sweeper := w.newSweeper()
	if at := sweeper.Next(); at.Sub(w.now) <= 0 || at.Sub(w.now) > day || at.Hour() != 3 {
		t.Errorf("the next sweep is at %s, now is %s", at, w.now)
	}
	stop()
	<-served
	if n := one[int](w, "SELECT count(*) FROM sweeps"); n != 1 {
		t.Errorf("%d sweeps were made for one day", n)
	}
}

func TestASweepWhoseProcessWasKilledIsDoneAgain(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(8, "a"))
	w.now = w.now.Add(2 * day)
	due := w.sweeper.Next().Add(-day)
	killed := store.Sweep{StartedBy: "schedule", ScheduledFor: &due, StartedAt: w.now, UpdatedAt: w.now}
	if err := w.BeginSweep(w.ctx, &killed); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.sweeper.Serve(ctx) }()
	wait(t, func() bool { return one[int](w, "SELECT count(*) FROM sweeps WHERE state = 'done'") == 1 })
	cancel()
	<-done
	w.want(w.ann, "a:warm")
	if n := one[int](w, "SELECT count(*) FROM sweeps WHERE state = 'interrupted'"); n != 1 {
		t.Error("the killed sweep is not noted as interrupted")
	}
}

func TestAKilledSweepThatSomebodyHadAskedForIsNotShownAsRunning(t *testing.T) {
	w := setup(t)
	killed := store.Sweep{StartedBy: "command", StartedAt: w.now, UpdatedAt: w.now}
	if err := w.BeginSweep(w.ctx, &killed); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- w.sweeper.Serve(ctx) }()
	wait(t, func() bool { return one[string](w, "SELECT string_agg(state, ' ') FROM sweeps") == "interrupted" })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTwoSweepsDoNotMeet(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	s := w.infect()
	other := w.newSweeper()
	var second error
	s.put = func(string) error {
		_, second = other.Run(w.ctx, retention.Options{})
		return nil
	}
	w.sweep()
	if worklog.CodeOf(second) != worklog.CodeConflict {
		t.Errorf("a second sweep: %v, want a conflict", second)
	}
}

// Whatever ends the process afterwards, the audit list tells who asked for what has changed.
func TestASweepIsInTheAuditListBeforeItChangesAnything(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(31, "a"))
	s := w.infect()
	by := w.By(account.Actor{User: w.bob.ID})
	noted := 0
	s.put = func(string) error {
		noted = one[int](w, "SELECT count(*) FROM audit WHERE action = 'retention.sweep' AND actor_id = $1", w.bob.ID)
		return nil
	}
	r, err := w.sweeper.Run(w.ctx, retention.Options{Asked: &by})
	if err != nil || noted != 1 || r.Cold != 1 || r.UserID == nil || *r.UserID != w.bob.ID {
		t.Errorf("%d lines when the first entry moved; %+v, %v", noted, r.Sweep, err)
	}
}

func TestAnArchiveFolderThatIsNoFolderIsSaidClearly(t *testing.T) {
	w := setup(t)
	id := w.log(w.ann, w.aged(31, "a"))[0]
	w.sweep()
	if err := os.Rename(w.dir, w.dir+".away"); err != nil {
		t.Fatal(err)
	}
	w.use(must(archive.Open("file://"+w.dir, archive.Credentials{})))
	if row := w.read(w.ann, id); row.Archive != worklog.ArchiveUnavailable {
		t.Errorf("with the folder away the payload is %q", row.Archive)
	}
	if err := os.WriteFile(w.dir, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.log(w.ann, w.aged(32, "b"))
	if r := w.sweep(); r.State != store.SweepFailed || !strings.Contains(r.Error, filepath.Base(w.dir)) {
		t.Errorf("report %+v", r.Sweep)
	}
	w.want(w.ann, "a:cold b:hot")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// cutLock ends the connection that holds the lock of retention.
func (w *world) cutLock() {
	w.t.Helper()
	n := one[int](w, `SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = x'776c7377'::int
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if n != 1 {
		w.t.Errorf("%d connections hold the lock", n)
	}
}

// The lock goes with its connection. Whoever is the next to sweep deletes objects that no entry points to, and must not
// take one that the first is just about to fill.
func TestASweepThatLostItsLockLosesNoPayload(t *testing.T) {
	w := setup(t)
	draft := w.aged(31, "cold")
	id := w.log(w.ann, draft, w.aged(8, "warm"))[0]
	s := w.infect()
	first := w.sweeper
	s.put = func(string) error {
		w.cutLock()
		s.put = full
		_, err := w.newSweeper().Run(w.ctx, retention.Options{})
		s.put = nil
		return err
	}
	r, err := first.Run(w.ctx, retention.Options{})
	w.check()
	if err != nil || r.State != store.SweepFailed || r.Cold != 0 {
		t.Errorf("the sweep without a lock: %+v, %v", r.Sweep, err)
	}
	w.wantWhole(w.ann, id, draft)
	if r := w.sweep(); r.State != store.SweepDone || r.Cold != 1 {
		t.Errorf("the next one: %+v", r.Sweep)
	}
	w.wantWhole(w.ann, id, draft)
	if n := one[int](w, "SELECT count(*) FROM archive_objects"); n != 1 || len(w.files()) != 1 {
		t.Errorf("%d objects are known, there are %v", n, w.files())
	}
}

func TestASweepThatLostItsLockStops(t *testing.T) {
	w := setup(t)
	w.log(w.ann, w.aged(100, "gone"), w.aged(31, "cold"), w.aged(8, "warm"))
	s := w.infect()
	s.put = func(string) error {
		w.cutLock()
		return nil
	}
	r := w.sweep()
	if r.State != store.SweepFailed || !strings.Contains(r.Error, "lock") || len(r.Steps) != 3 {
		t.Errorf("report %+v, steps %+v", r.Sweep, r.Steps)
	}
	w.want(w.ann, "cold:hot warm:hot")
}
