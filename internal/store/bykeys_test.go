package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func TestEntriesAreFoundByTheirKeysAmongTheirOwnersAlone(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Key: "a", Details: strings.Repeat("x", 2*store.PreviewBytes)}, worklog.Draft{Title: "b", Key: "b'\"?"}, worklog.Draft{Title: "none"})
	rows, err := b.ByKeys(b.ctx, b.user.ID, []string{"a", "b'\"?", "c", ""})
	got := titles(rows)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"a", "b"}) || len(rows[0].Details)+len(rows[1].Details) > store.PreviewBytes+10 {
		t.Errorf("%q, %v", got, err)
	}
	for _, keys := range [][]string{nil, {"c"}} {
		if rows, err := b.ByKeys(b.ctx, b.user.ID, keys); err != nil || len(rows) != 0 {
			t.Errorf("%q: %v, %v", keys, rows, err)
		}
	}
	if rows, err := b.ByKeys(b.ctx, b.other(t, "b@x.test").ID, []string{"a"}); err != nil || len(rows) != 0 {
		t.Errorf("another owner finds %v, %v", rows, err)
	}
}
