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

// What lies in the archive weighs nothing here, and its size must not end a list before its end.
func TestAListOfArchivedEntriesGoesOnToItsEnd(t *testing.T) {
	b := setup(t)
	const entries = 30
	for i := range entries {
		b.append(t, worklog.Draft{Title: fmt.Sprint(i)})
	}
	b.exec(t, "UPDATE work_logs SET storage_status = 'cold', archive_url = 'x.ndjson.zst', details_bytes = 200000")
	for _, q := range []store.EntryQuery{{FullDetails: true}, {FullDetails: true, Limit: 7}, {FullDetails: true, Filter: store.EntryFilter{Type: worklog.TypeInfo}}, {}} {
		q.Owner = b.user.ID
		seen := 0
		for more := true; more; more = q.Before > 0 {
			page, err := b.Entries(b.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(page.Rows)
			q.Before = page.Next
		}
		if seen != entries {
			t.Errorf("%+v: %d of %d entries", q, seen, entries)
		}
	}
}

func TestAFilteredPageLooksAtTenThousandRowsAndSaysWhereToGoOn(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "needle", Details: "needle"})
	b.exec(t, `INSERT INTO work_logs (owner_id, seq, rev, id, type, status, title, details, logged_at, created_at, updated_at)
		SELECT owner_id, seq + n, rev + n, gen_random_uuid(), type, status, 'hay', '', logged_at, created_at, updated_at FROM work_logs, generate_series(1, 10500) n`)
	for _, full := range []bool{false, true} {
		q := store.EntryQuery{Owner: b.user.ID, Filter: store.EntryFilter{Query: "needle"}, FullDetails: full}
		page, err := b.Entries(b.ctx, q)
		if err != nil || len(page.Rows) != 0 || page.Next != 502 {
			t.Fatalf("%d entries, next %d, %v, want none of 10,000 and to go on at 502", len(page.Rows), page.Next, err)
		}
		q.Before = page.Next
		if page, err = b.Entries(b.ctx, q); err != nil || len(page.Rows) != 1 || page.Next != 0 {
			t.Errorf("%d entries, next %d, %v, want the needle and the end", len(page.Rows), page.Next, err)
		}
	}
}
