package store_test

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// object makes an object known that is to take the payload of the bundle's entries.
func (b *bundle) object(t *testing.T, name string) (o store.ArchiveObject, payloads []store.Payload, due store.Due) {
	t.Helper()
	at := time.Now().UTC()
	o = store.ArchiveObject{Name: name, Owner: b.user.ID, SHA256: []byte{1}, Bytes: 1, Entries: 1, CreatedAt: at}
	if err := b.CreateObject(b.ctx, o); err != nil {
		t.Fatal(err)
	}
	due = store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Until: at, Now: at}
	payloads, err := b.Payloads(b.ctx, b.user.ID, []int64{1}, due)
	if err != nil || len(payloads) != 1 {
		t.Fatalf("payloads %+v, %v", payloads, err)
	}
	return o, payloads, due
}

func TestNoEntryPointsToAnObjectThatIsCondemned(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Details: "payload"})
	o, payloads, due := b.object(t, "x")
	if ok, err := b.CondemnObject(b.ctx, "x"); err != nil || !ok {
		t.Fatalf("an object that nobody needs: %v, %v", ok, err)
	}
	moved, err := b.ArchiveEntries(b.ctx, o, payloads, worklog.StorageCold, due)
	if err == nil || moved.Entries != 0 {
		t.Errorf("%d entries point to it, %v", moved.Entries, err)
	}
	if got := one[string](t, b, "SELECT details || storage_status FROM work_logs"); got != "payloadhot" {
		t.Errorf("the entry is %q", got)
	}
}

func TestAnObjectThatEntriesPointToIsNotCondemned(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Details: "payload"})
	o, payloads, due := b.object(t, "x")
	if moved, err := b.ArchiveEntries(b.ctx, o, payloads, worklog.StorageCold, due); err != nil || moved.Entries != 1 {
		t.Fatalf("%+v, %v", moved, err)
	}
	if ok, err := b.CondemnObject(b.ctx, "x"); err != nil || ok {
		t.Errorf("it may be deleted: %v, %v", ok, err)
	}
	if ok, err := b.CondemnObject(b.ctx, "unknown"); err != nil || !ok {
		t.Errorf("one that nobody knows may go: %v, %v", ok, err)
	}
}

// What a crash would undo must not be without its object: the commit waits for the disk wherever one is deleted after it,
// and wherever somebody has an answer.
func TestAnObjectIsDeletedAfterItsRowsAreOnDiskWhateverTheServerIsSetTo(t *testing.T) {
	b := setup(t)
	b.exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	b.exec(t, `CREATE TABLE seen (what text, setting text)`)
	b.exec(t, `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO seen VALUES (TG_TABLE_NAME || ' ' || lower(TG_OP), current_setting('synchronous_commit')); RETURN NULL; END $$`)
	for _, on := range []string{"INSERT ON archive_objects", "UPDATE ON archive_objects", "INSERT ON users"} { // deferred: as it is at the commit
		b.exec(t, "CREATE CONSTRAINT TRIGGER see_"+on[:6]+" AFTER "+on+" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see()")
	}
	b.Store = storetest.Open(t, b.dsn)
	if _, err := b.CreateUser(b.ctx, "new@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	b.append(t, worklog.Draft{Title: "a", Details: "payload"})
	o, payloads, due := b.object(t, "x")
	if moved, err := b.ArchiveEntries(b.ctx, o, payloads, worklog.StorageCold, due); err != nil || moved.Entries != 1 {
		t.Fatalf("%+v, %v", moved, err)
	}
	payloads[0].ArchiveName, payloads[0].Status = "x", worklog.StorageCold
	_, empty, err := b.RestoreEntries(b.ctx, b.user.ID, payloads, time.Now())
	if err != nil || len(empty) != 1 {
		t.Fatalf("%+v, %v", empty, err)
	}
	const want = "users insert:on archive_objects insert:on archive_objects update:off archive_objects update:on"
	if got := one[string](t, b, "SELECT string_agg(what || ':' || setting, ' ' ORDER BY ctid) FROM seen"); got != want {
		t.Errorf("commits were %s, want %s", got, want)
	}
}

// The figures of a sweep are those of its batches: one that the commit undid has none, and no object to delete.
func TestABatchThatIsRolledBackCountsNothing(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Details: "payload"}, worklog.Draft{Title: "b"}, worklog.Draft{Title: "c", Details: "warm"})
	o, payloads, due := b.object(t, "x")
	if _, err := b.ArchiveEntries(b.ctx, o, payloads, worklog.StorageCold, due); err != nil {
		t.Fatal(err)
	}
	payloads[0].ArchiveName, payloads[0].Status = "x", worklog.StorageCold
	b.exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'at the commit'; END $$`)
	b.exec(t, "CREATE CONSTRAINT TRIGGER fail AFTER UPDATE OR DELETE ON work_logs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()")
	all := due
	all.From = worklog.StorageStatuses()
	for what, f := range map[string]func() (store.Moved, []store.ArchiveObject, error){
		"warm": func() (store.Moved, []store.ArchiveObject, error) {
			m, err := b.WarmEntries(b.ctx, b.user.ID, []int64{3}, due)
			return m, nil, err
		},
		"age": func() (store.Moved, []store.ArchiveObject, error) {
			m, err := b.AgeEntries(b.ctx, b.user.ID, []int64{2}, worklog.StorageCold, due)
			return m, nil, err
		},
		"delete": func() (store.Moved, []store.ArchiveObject, error) {
			return b.DeleteEntries(b.ctx, b.user.ID, []int64{1}, all)
		},
		"restore": func() (store.Moved, []store.ArchiveObject, error) {
			return b.RestoreEntries(b.ctx, b.user.ID, payloads, time.Now())
		},
	} {
		if m, empty, err := f(); err == nil || m != (store.Moved{}) || len(empty) != 0 {
			t.Errorf("%s: moved %+v, empty %v, %v", what, m, empty, err)
		}
	}
}
