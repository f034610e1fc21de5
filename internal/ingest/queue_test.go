package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/worklog"
)

// wantBusy expects the answer of a server that has no room: at once, retryable.
func wantBusy(t *testing.T, err error, why string) {
	t.Helper()
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || e.Code != worklog.CodeUnavailable || e.RetryAfter <= 0 || !strings.Contains(e.Message, why) {
		t.Errorf("error %v, want unavailable: %s", err, why)
	}
}

// The database is at a stand, and four requests fill the queue: in the number of drafts, or in their bytes.
func TestAFullQueueRefusesAtOnceAndServesWhatItHolds(t *testing.T) {
	for what, c := range map[string]struct {
		drafts int
		draft  worklog.Draft
	}{
		"many drafts": {5000, worklog.Draft{Title: "x"}},
		"large ones":  {60, worklog.Draft{Title: "x", Details: strings.Repeat("x", worklog.MaxDetailsBytes-10)}},
	} {
		t.Run(what, func(t *testing.T) {
			b := setupWith(t, func(o *ingest.Options) { o.Patience = 5 * time.Minute })
			b.clock.stop()
			release := make(chan struct{})
			b.store.mu.Lock()
			b.store.hang = release
			b.store.mu.Unlock()
			answers := make(chan error, 5)
			send := func(n int) {
				_, err := b.Append(b.ctx, b.me, slices.Repeat([]worklog.Draft{c.draft}, n))
				answers <- err
			}
			go send(1)
			for b.store.batches.Load() == 0 {
				<-time.After(time.Millisecond)
			}
			for i := range 4 {
				go send(c.drafts)
				for b.Snapshot().Queued < (i+1)*c.drafts && len(answers) == 0 {
					<-time.After(time.Millisecond)
				}
			}
			_, err := b.Append(b.ctx, b.me, slices.Repeat([]worklog.Draft{c.draft}, c.drafts))
			wantBusy(t, err, "too many drafts are waiting")
			close(release)
			for range 5 {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
			wantOutcomes(t, b.append(t, b.user(t, "bob@example.org"), worklog.Draft{Title: "afterwards"}), "stored")
		})
	}
}

func TestAWriterWhoseOwnerStaysLockedIsToldToRetry(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, worklog.Draft{Title: "makes the stats row"})
	b.clock.stop()
	release := b.hold(t)
	answer := make(chan error, 1)
	go func() {
		_, err := b.Append(b.ctx, b.me, []worklog.Draft{{Title: "x", Key: "k"}})
		answer <- err
	}()
	<-b.store.locked
	b.clock.move(patience + time.Millisecond)
	wantBusy(t, <-answer, "took too long")
	release()
	if state := b.limiter.State(limit.Window{Owner: b.me.User.ID}); state.Remaining != perMinute-1 {
		t.Errorf("what was not stored keeps a place: %d left", state.Remaining)
	}
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "x", Key: "k"}), "stored")
}

// A sweep or a deletion holds one owner; nobody else waits for that.
func TestALockedOwnerHoldsNobodyElseUp(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, worklog.Draft{Title: "makes the stats row"})
	release := b.hold(t)
	defer release()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	go func() { _, _ = b.Append(ctx, b.me, []worklog.Draft{{Title: "waits"}}) }()
	<-b.store.locked
	bob := b.user(t, "bob@example.org")
	for i := range perMinute {
		wantOutcomes(t, b.append(t, bob, worklog.Draft{Title: fmt.Sprint(i)}), "stored")
	}
}
