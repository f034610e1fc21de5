package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// running is what its writer says of a step that goes on.
func running(details string) worklog.Draft {
	return worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusWorking, Details: details}
}

// held appends an update of a step that has had its change of this second, and returns when n of them wait.
func (b *bundle) held(t *testing.T, n int, d worklog.Draft) <-chan string {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		receipts, err := b.Append(b.ctx, b.me, []worklog.Draft{d})
		answer <- fmt.Sprint(outcomes(receipts), err)
	}()
	for deadline := time.Now().Add(patience); b.Snapshot().Queued < n; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", b.Snapshot().Queued, n)
		}
	}
	return answer
}

// A program tells of a step's progress from one goroutine and of its end from another.
func TestAnUpdateThatIsHeldDoesNotComeAfterTheEnd(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	b.append(t, b.me, running("1"))
	update := b.held(t, 1, running(strings.Repeat("still at it ", 10)))
	end := worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess, Details: "done"}
	wantOutcomes(t, b.append(t, b.me, end), "updated")
	if got := <-update; got != "updated<nil>" {
		t.Errorf("the update: %s", got)
	}
	_, rows := b.flushed(t)
	if len(rows) != 1 || rows[0].Status != worklog.StatusSuccess || rows[0].Details != "done" {
		t.Errorf("rows %+v", rows)
	}
}

func TestUpdatesThatWaitForTheSameSecondAreOneChange(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	b.append(t, b.me, running("0"))
	const updates = 12 // one a second would keep the last ones beyond the time that a request may wait
	var answers []<-chan string
	for i := range updates {
		answers = append(answers, b.held(t, i+1, running(fmt.Sprint(i+1))))
	}
	b.clock.move(time.Second)
	for i, answer := range answers {
		if got := <-answer; got != "updated<nil>" {
			t.Errorf("update %d: %s", i+1, got)
		}
	}
	_, rows := b.flushed(t)
	if len(rows) != 1 || rows[0].Details != fmt.Sprint(updates) || rows[0].Rev != 2 {
		t.Errorf("rows %+v", rows)
	}
}
