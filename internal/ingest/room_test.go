package ingest_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const cutMark = "[cut here: "

// long is a draft with n bytes of details.
func long(title string, n int) worklog.Draft {
	return worklog.Draft{Title: title, Key: title, Details: strings.Repeat("x", n), Metadata: worklog.Metadata{"exit": 0}}
}

func (b *bundle) isCut(t *testing.T, d worklog.Draft) bool {
	t.Helper()
	rec := b.append(t, b.me, d)[0]
	if rec.Outcome != worklog.OutcomeStored || rec.Entry.Title != d.Title || len(rec.Entry.Metadata) != len(d.Metadata) {
		t.Errorf("outcome %s, title %q, metadata %v", rec.Outcome, rec.Entry.Title, rec.Entry.Metadata)
	}
	row, err := b.store.Entry(b.ctx, b.me.User.ID, rec.Entry.ID)
	if err != nil || row.Details != rec.Entry.Details {
		t.Errorf("stored: %.80q, answered: %.80q, %v", row.Details, rec.Entry.Details, err)
	}
	if cut := strings.Contains(row.Details, cutMark); cut != (len(row.Details) < len(d.Details)) {
		t.Errorf("%d of %d bytes are left, and marked: %v", len(row.Details), len(d.Details), cut)
	}
	return strings.Contains(row.Details, cutMark)
}

func TestBeyondTheRoomOfADayDetailsAreCutAndTheRestIsKept(t *testing.T) {
	b := setupWith(t, func(o *ingest.Options) { o.Room = func() store.Room { return store.Room{PerDay: 10_000} } })
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	b.clock.move(time.Until(noon))
	for i, want := range []bool{false, false, true} {
		if got := b.isCut(t, long(fmt.Sprint("of 4,000 bytes, ", i), 4000)); got != want {
			t.Errorf("entry %d cut: %v", i, got)
		}
	}
	if b.isCut(t, long("a short one", 300)) {
		t.Error("what is short anyway was cut")
	}
	stats, err := b.store.Stats(b.ctx, b.me.User.ID)
	if err != nil || stats.Cut != 1 {
		t.Errorf("%d entries are counted as cut, %v", stats.Cut, err)
	}
	b.clock.move(24 * time.Hour)
	if b.isCut(t, long("on the next day", 4000)) {
		t.Error("the next day has no room of its own")
	}
}

func TestRoomOfADayHoldsWithinOneRequestToo(t *testing.T) {
	b := setupWith(t, func(o *ingest.Options) { o.Room = func() store.Room { return store.Room{PerDay: 10_000} } })
	var cut int
	for _, rec := range b.append(t, b.me, long("a", 4000), long("b", 4000), long("c", 4000), long("d", 4000)) {
		if strings.Contains(rec.Entry.Details, cutMark) {
			cut++
		}
	}
	if cut != 2 {
		t.Errorf("%d of 4 are cut", cut)
	}
}

func TestLateDetailsAreCutLikeEarlyOnes(t *testing.T) {
	b := setupWith(t, func(o *ingest.Options) { o.Room = func() store.Room { return store.Room{PerDay: 3000} } })
	d := worklog.Draft{Title: "step", Key: "step", Status: worklog.StatusWorking}
	b.append(t, b.me, d)
	d.Status, d.Details = worklog.StatusSuccess, strings.Repeat("x", 4000)
	rec := b.append(t, b.me, d)[0]
	if rec.Outcome != worklog.OutcomeUpdated || rec.Entry.Status != worklog.StatusSuccess || !strings.Contains(rec.Entry.Details, cutMark) {
		t.Errorf("%s %s with %d bytes", rec.Outcome, rec.Entry.Status, len(rec.Entry.Details))
	}
	if again := b.append(t, b.me, d)[0]; again.Outcome != worklog.OutcomeUnchanged {
		t.Errorf("the same once more is %s", again.Outcome)
	}
}

func TestOnAScarceDiskNobodysDetailsAreKeptWhole(t *testing.T) {
	var scarce atomic.Bool
	b := setupWith(t, func(o *ingest.Options) { o.Room = func() store.Room { return store.Room{Scarce: scarce.Load()} } })
	if b.isCut(t, long("before", 4000)) {
		t.Error("cut while there is room")
	}
	scarce.Store(true)
	if !b.isCut(t, long("while it is scarce", 4000)) {
		t.Error("kept whole on a disk that is nearly full")
	}
	scarce.Store(false)
	if b.isCut(t, long("after", 4000)) {
		t.Error("cut when there is room again")
	}
}

func TestAnEntryThatIsCutIsCountedOnceHoweverOftenItIsSent(t *testing.T) {
	b := setupWith(t, func(o *ingest.Options) { o.Room = func() store.Room { return store.Room{PerDay: 9000} } })
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	b.clock.move(time.Until(noon))
	count := func(want int64, when string) {
		t.Helper()
		if stats, err := b.store.Stats(b.ctx, b.me.User.ID); err != nil || stats.Cut != want {
			t.Errorf("%s: %d entries are counted as cut, want %d, %v", when, stats.Cut, want, err)
		}
	}
	whole := long("whole", 4000)
	for range 5 { // what is there already takes no room a second time
		b.append(t, b.me, whole)
	}
	if b.isCut(t, long("second", 4000)) {
		t.Error("there was room for two of 4,000 bytes")
	}
	for range 3 {
		b.append(t, b.me, long("third", 4000))
	}
	count(1, "sent three times")
	step := worklog.Draft{Title: "step", Key: "step", Status: worklog.StatusWorking}
	for n := range 3 {
		step.Details = strings.Repeat("x", 4000+n)
		b.append(t, b.me, step)
		b.clock.move(2 * time.Second)
	}
	count(2, "a step whose output grew")
}
