package ingest_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// killed leaves what a process leaves that has limited n drafts of the user and was killed before it told of them.
func (b *bundle) killed(t *testing.T, n int64) {
	t.Helper()
	_, _, err := b.store.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Counts: map[int64]worklog.Counts{b.me.User.ID: {Limited: n}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasSuppressedRightBeforeAKillIsToldAtTheNextStart(t *testing.T) {
	b := setup(t)
	b.killed(t, 2)
	for range 2 { // a second start has nothing to tell
		if err := b.TellUntold(b.ctx, 0); err != nil {
			t.Fatal(err)
		}
		b.clock.move(time.Second)
		b.append(t, b.me, worklog.Draft{Title: "another"})
	}
	stats, rows := b.flushed(t)
	var titles []string
	for _, r := range rows {
		titles = append(titles, r.Title)
	}
	if got := strings.Join(titles, ", "); stats.Limited != 2 || strings.Count(got, "suppressed") != 1 || !strings.Contains(got, "2 entries suppressed before a restart") {
		t.Errorf("limited %d, entries %s", stats.Limited, got)
	}
	if left, err := b.store.Untold(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("untold: %v, %v", left, err)
	}
}

// Another process that limits the user will tell of it itself.
func TestWhatAnotherProcessIsAboutToTellIsLeftToIt(t *testing.T) {
	b := setup(t)
	b.killed(t, 2)
	b.store.asked = sync.OnceFunc(func() { b.killed(t, 1) })
	if err := b.TellUntold(b.ctx, 0); err != nil {
		t.Fatal(err)
	}
	if stats, rows := b.flushed(t); stats.Limited != 3 || len(rows) != 0 {
		t.Errorf("limited %d, entries %+v", stats.Limited, rows)
	}
}

// What an exporter is told to send again is neither told nor untold.
func TestWhatIsSentAgainIsNotLeftUntold(t *testing.T) {
	b := setup(t)
	if _, err := b.AppendAs(b.ctx, b.me, ingest.Manner{Resent: true}, drafts(perMinute+2, "c")); err != nil {
		t.Fatal(err)
	}
	if stats, _ := b.flushed(t); stats.Limited != 2 {
		t.Errorf("limited %d", stats.Limited)
	}
	if left, err := b.store.Untold(context.WithoutCancel(t.Context())); err != nil || len(left) > 0 {
		t.Errorf("untold: %v, %v", left, err)
	}
}
