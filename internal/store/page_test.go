package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func TestAPageOfLargeEntriesEndsEarlyAndReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	b, c := setupCut(t)
	const entries = 60
	for i := range entries {
		b.append(t, worklog.Draft{Title: fmt.Sprint(i), Details: strings.Repeat("x", worklog.MaxDetailsBytes)})
	}
	q := store.EntryQuery{Owner: b.user.ID, Limit: store.MaxLimit, FullDetails: true}
	seen := 0
	for more := true; more; more = q.Before > 0 {
		before := c.answered.Load()
		page, err := b.Entries(b.ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, r := range page.Rows {
			if r.Title != fmt.Sprint(entries-1-seen) {
				t.Fatalf("entry %s is number %d", r.Title, seen)
			}
			seen++
			bytes += len(r.Details)
		}
		if read := c.answered.Load() - before; bytes > 4<<20 || read > 5<<20 {
			t.Errorf("for a page of %d bytes of details %d were read", bytes, read)
		}
		q.Before = page.Next
	}
	if seen != entries {
		t.Errorf("%d entries", seen)
	}
}
