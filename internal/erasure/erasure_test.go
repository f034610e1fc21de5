package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/erasure"
	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// ward is a user with entries, a ledger and an archive in a folder.
type ward struct {
	*testing.T
	store   *store.Store
	archive *archive.Archive
	dir     string
	ledger  *ledger.File
	user    account.User
}

func newWard(t *testing.T) *ward {
	t.Helper()
	t.Parallel()
	w := &ward{T: t, store: storetest.New(t), dir: t.TempDir()}
	w.ledger = ledger.In(w.dir)
	bucket, err := archive.Open("file://"+filepath.Join(w.dir, "archive"), archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.store.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.archive = archive.New(bucket, id, w.store)
	if w.user, err = w.store.CreateUser(t.Context(), "ann@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	return w
}

// append writes n entries of an age.
func (w *ward) append(n int, age time.Duration) {
	w.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	b := store.Batch{Now: at}
	for i := range n {
		logged := at.Add(-age)
		d := worklog.Draft{Title: fmt.Sprintf("t%d", i), Details: "what ann did", Conversation: "c", LoggedAt: &logged}
		d.Normalize()
		b.Writes = append(b.Writes, store.Write{Owner: w.user.ID, EntryID: uuid.NewString(), Conversation: "c", Facts: change.Of(&d, at)})
	}
	if _, locked, err := w.store.Append(w.Context(), b); err != nil || len(locked) > 0 {
		w.Fatalf("append: %v, locked %v", err, locked)
	}
}

func (w *ward) order() {
	w.Helper()
	if err := w.store.By(account.CommandLine()).BeginErasure(w.Context(), w.user.ID, "asked"); err != nil {
		w.Fatal(err)
	}
}

func (w *ward) worker(st erasure.Store, a erasure.Archive) *erasure.Worker {
	return erasure.New(st, a, w.ledger, slog.New(slog.DiscardHandler))
}

// objects is how many objects the archive has.
func (w *ward) objects() (n int) {
	w.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, "archive"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(d.Name()) != ".archive" { // which marks the folder
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Fatal(err)
	}
	return n
}

// sweep moves what is old to the archive.
func (w *ward) sweep() {
	w.Helper()
	s := retention.New(w.store, w.archive, retention.Settings{Hot: time.Hour, Warm: 2 * time.Hour, Cold: 1000 * time.Hour})
	if _, err := s.Run(w.Context(), retention.Options{}); err != nil {
		w.Fatal(err)
	}
}

func (w *ward) erased() bool {
	w.Helper()
	u, _, err := w.store.UserByID(w.Context(), w.user.ID)
	if err != nil {
		w.Fatal(err)
	}
	return u.Erased
}

func TestErasureTakesTheArchiveWithIt(t *testing.T) {
	w := newWard(t)
	w.append(40, 3*time.Hour)
	w.append(10, 0)
	w.sweep()
	if w.objects() == 0 {
		t.Fatal("nothing was archived")
	}
	w.order()
	if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.objects(); n != 0 || !w.erased() {
		t.Errorf("%d objects are left, erased: %v", n, w.erased())
	}
	if list, err := w.store.Objects(t.Context(), w.user.ID, "", 10); err != nil || len(list) != 0 {
		t.Errorf("still known: %v, %v", list, err)
	}
	stats, err := w.store.Stats(t.Context(), w.user.ID)
	if err != nil || stats.Stored != 50 || stats.Bytes != 0 || stats.Entries[worklog.StorageCold]+stats.Entries[worklog.StorageHot] != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	day, _ := rollup.RangeNamed("24h")
	d, err := w.store.Dashboard(t.Context(), day, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for tier, bytes := range d.TierBytes {
		if bytes != 0 {
			t.Errorf("%d bytes are %s still", bytes, tier)
		}
	}
}

// failing is a store or an archive that stops after some calls, as a kill does.
type failing struct {
	*store.Store
	archive erasure.Archive
	calls   int
}

var errKilled = errors.New("killed")

func (f *failing) step() error {
	if f.calls--; f.calls < 0 {
		return errKilled
	}
	return nil
}

// EraseSome counts.
func (f *failing) EraseSome(ctx context.Context, user, after int64) (n, last int64, err error) {
	if err := f.step(); err != nil {
		return 0, 0, err
	}
	return f.Store.EraseSome(ctx, user, after)
}

// Drop counts.
func (f *failing) Drop(ctx context.Context, name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.archive.Drop(ctx, name)
}

// DropOwner counts.
func (f *failing) DropOwner(ctx context.Context, owner int64) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.archive.DropOwner(ctx, owner)
}

// ForgetObject counts.
func (f *failing) ForgetObject(ctx context.Context, name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Store.ForgetObject(ctx, name)
}

// FinishErasure counts.
func (f *failing) FinishErasure(ctx context.Context, user int64) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Store.FinishErasure(ctx, user)
}

func TestAnErasureThatStopsAnywhereIsFinishedByTheNextProcess(t *testing.T) {
	for _, stop := range []int{0, 1, 3, 4, 5} {
		t.Run(fmt.Sprintf("after %d steps", stop), func(t *testing.T) {
			w := newWard(t)
			w.append(600, 3*time.Hour)
			w.sweep()
			w.order()
			f := &failing{Store: w.store, archive: w.archive, calls: stop}
			err := w.worker(f, f).Once(t.Context())
			if stopped := errors.Is(err, errKilled); stopped == w.erased() {
				t.Fatalf("stopped: %v, erased: %v", err, w.erased())
			}
			if known, err := w.ledger.Read(); err != nil || len(known) != 1 || known[0].Kind != ledger.Erased || known[0].ID != fmt.Sprint(w.user.ID) {
				t.Errorf("the ledger did not know before the first entry went: %v, %v", known, err)
			}
			if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !w.erased() || w.objects() != 0 {
				t.Errorf("erased: %v, %d objects", w.erased(), w.objects())
			}
		})
	}
}

// A database that was set back no longer knows the objects that were written since.
func TestErasureTakesObjectsThatTheDatabaseHasForgotten(t *testing.T) {
	w := newWard(t)
	w.append(20, 3*time.Hour)
	w.sweep()
	list, err := w.store.Objects(t.Context(), w.user.ID, "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	stray := filepath.Join(w.dir, "archive", filepath.Dir(list[0].Name), "forgotten.ndjson.zst")
	if err := os.WriteFile(stray, []byte("what ann did"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.order()
	if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil || !w.erased() {
		t.Fatalf("erased: %v, %v", w.erased(), err)
	}
	if n := w.objects(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestAnArchiveThatDoesNotAnswerOnlyDelaysAnErasure(t *testing.T) {
	w := newWard(t)
	w.append(20, 3*time.Hour)
	w.sweep()
	w.order()
	away := &failing{Store: w.store, archive: w.archive}
	if err := w.worker(w.store, away).Once(t.Context()); !errors.Is(err, errKilled) || w.erased() {
		t.Fatalf("%v, erased: %v", err, w.erased())
	}
	if rows, err := w.store.ExportEntries(t.Context(), w.user.ID, 0, 10); err != nil || len(rows) != 0 {
		t.Errorf("entries wait for the archive: %d, %v", len(rows), err)
	}
	if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil || !w.erased() {
		t.Errorf("later: %v", err)
	}
}

func TestTwoProcessesThatEraseAtOnceAreNoError(t *testing.T) {
	w := newWard(t)
	w.append(1500, 0)
	w.order()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := w.worker(w.store, w.archive).Finish(t.Context(), w.user.ID, func(int64) {}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if !w.erased() {
		t.Error("not erased")
	}
	if lines, _, err := w.store.Audit(t.Context(), store.AuditQuery{Action: account.ActUserErased}); err != nil || len(lines) != 1 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

func TestTheWorkerFollowsWhatEnds(t *testing.T) {
	w := newWard(t)
	w.append(3, 0)
	worker := w.worker(w.store, w.archive)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- worker.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	token := account.Token{ID: uuid.NewString(), OwnerID: w.user.ID, Name: "n", Scopes: []account.Scope{account.ScopeRead}}
	if err := w.store.CreateToken(t.Context(), token, account.HashSecret("x")); err != nil {
		t.Fatal(err)
	}
	if err := w.store.RevokeToken(t.Context(), w.user.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	worker.Control(store.Control{Kind: store.ControlToken, ID: token.ID})
	id, err := w.store.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the token is in the ledger", func() bool {
		known, err := w.ledger.Read()
		return err == nil && len(known) == 1 && known[0].Kind == ledger.Revoked && known[0].ID == token.ID && known[0].Installation == id
	})
	w.order()
	worker.Control(store.Control{Kind: store.ControlUser})
	w.eventually("the user is erased", w.erased)
}

func (w *ward) eventually(what string, ok func() bool) {
	w.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			w.Fatalf("not true: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// slow is a bucket in which something happens between the moment that an object is known and the one that it is there.
type slow struct {
	archive.Bucket
	meanwhile, then func()
}

// Put stores an object.
func (s *slow) Put(ctx context.Context, name string, data []byte) error {
	if filepath.Ext(name) == ".archive" {
		return s.Bucket.Put(ctx, name, data)
	}
	s.meanwhile()
	defer s.then()
	return s.Bucket.Put(ctx, name, data)
}

func TestAnObjectThatASweepIsJustWritingIsErasedWhateverBecomesOfTheSweep(t *testing.T) {
	w := newWard(t)
	w.append(20, 3*time.Hour)
	bucket, err := archive.Open("file://"+filepath.Join(w.dir, "archive"), archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.store.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	meanwhile := func() {
		w.order()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.worker(w.store, w.archive).Once(short); err == nil {
			t.Error("the erasure is over while an object of the user is being written")
		}
	}
	settings := retention.Settings{Hot: time.Hour, Warm: 2 * time.Hour, Cold: 1000 * time.Hour}
	if _, err := retention.New(w.store, archive.New(&slow{bucket, meanwhile, kill}, id, w.store), settings).Run(ctx, retention.Options{}); err == nil {
		t.Fatal("the sweep was not ended")
	}
	if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil || !w.erased() {
		t.Errorf("erased: %v, %v", w.erased(), err)
	}
	if n := w.objects(); n != 0 {
		t.Errorf("%d objects are left of the person", n)
	}
}

func TestAnErasureThatHasToWaitForASweepSaysSoAndTakesWhatItCan(t *testing.T) {
	w := newWard(t)
	w.append(20, 3*time.Hour)
	w.sweep()
	w.order()
	_, release, err := w.store.LockRetention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := w.worker(w.store, w.archive).Finish(t.Context(), w.user.ID, func(int64) {}); !errors.Is(err, erasure.ErrSwept) || w.erased() {
		t.Errorf("while the archive is held: %v, erased: %v", err, w.erased())
	}
	if n := w.objects(); n != 0 {
		t.Errorf("%d objects wait for the sweep to end", n)
	}
	release()
	if err := w.worker(w.store, w.archive).Once(t.Context()); err != nil || !w.erased() {
		t.Errorf("afterwards: %v, erased: %v", err, w.erased())
	}
}
