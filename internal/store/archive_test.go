package store_test

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
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
