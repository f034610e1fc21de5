package view_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/web/view"
)

func TestTheRetentionPageSaysGigabytesAsSuch(t *testing.T) {
	t.Parallel()
	page := textOf(find(t, view.RetentionPage(view.Retention{
		ArchiveBytes: 5 << 30, Sweeps: []view.Sweep{{By: "schedule", State: "done", Deleted: 1, Freed: 3 << 20}}, Counted: true, Due: []view.Due{{Step: "warm", Entries: 1, Bytes: 2 << 40}},
	})).all("main")[0])
	for _, want := range []string{"5.0 GB", "3.0 MB freed", "2.0 TB in the database"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
