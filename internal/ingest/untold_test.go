package ingest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// Each run of a tool that is over the limit may name a conversation of its own, and none of them may be made.
func TestSuppressedDraftsOfConversationsThatDoNotExistAreToldTogether(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, drafts(perMinute, "there")...)
	for i := range 20 {
		wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "x", Conversation: fmt.Sprint("run ", i)}, worklog.Draft{Title: fmt.Sprint(i), Conversation: "there"}), "limited limited")
	}
	_, rows := b.flushed(t)
	told := map[string]int{}
	for _, r := range rows {
		if r.Source == worklog.SourceWorklog {
			told[fmt.Sprintf("%s, filed: %v", r.Title, r.ConversationID != "")]++
		}
	}
	want := map[string]int{"20 entries suppressed (limit: 5 a minute), filed: true": 1, "20 entries suppressed (limit: 5 a minute), filed: false": 1}
	if !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestANoteGrowsForAMinuteAndThenAnotherBegins(t *testing.T) {
	b := setup(t)
	notes := func() (titles []string) {
		b.clock.move(time.Second) // what is pending is due
		bob := b.user(t, fmt.Sprintf("bob%d@example.org", b.store.batches.Load()))
		wantOutcomes(t, b.append(t, bob, worklog.Draft{Title: "wakes the committer"}), "stored")
		page, err := b.store.Entries(b.ctx, store.EntryQuery{Owner: b.me.User.ID, Filter: store.EntryFilter{Source: worklog.SourceWorklog}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			titles = append(titles, r.Title)
		}
		return titles
	}
	b.append(t, b.me, drafts(perMinute+1, "c")...)
	if got := notes(); !slices.Equal(got, []string{"1 entry suppressed (limit: 5 a minute)"}) {
		t.Errorf("notes %v", got)
	}
	b.append(t, b.me, worklog.Draft{Title: "more", Conversation: "c"})
	if got := notes(); !slices.Equal(got, []string{"2 entries suppressed (limit: 5 a minute)"}) {
		t.Errorf("notes %v", got)
	}
	b.clock.move(time.Minute)
	b.append(t, b.me, drafts(perMinute+1, "c")...)
	if got := notes(); !slices.Equal(got, []string{"1 entry suppressed (limit: 5 a minute)", "2 entries suppressed (limit: 5 a minute)"}) {
		t.Errorf("notes %v", got)
	}
}
