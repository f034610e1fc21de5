package view_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// archived is an entry whose payload retention has moved.
func archived(state worklog.ArchiveState) view.Row {
	r := row(1, worklog.TypeToolCall, worklog.StatusSuccess, "Bash: go test ./...", 1, -1)
	r.StorageStatus, r.Archive, r.DetailsBytes = worklog.StorageCold, state, 31<<10
	return r
}

func TestARowOffersWhatLiesInTheArchive(t *testing.T) {
	t.Parallel()
	doc := entryRow(t, archived(worklog.ArchiveUnread))
	link := "details .archived a"
	if got := doc.text(link); got != "Show 31 KB from the archive" {
		t.Errorf("link %q", got)
	}
	if href, get, target := doc.attr(link, "href"), doc.attr(link, "hx-get"), doc.attr(link, "hx-select"); href != "/logs/"+id(1) || get != href || target != ".entry .archived" {
		t.Errorf("href %q, hx-get %q, hx-select %q", href, get, target)
	}
	facts := archived(worklog.ArchiveUnread)
	facts.DetailsBytes = 0
	if got := entryRow(t, facts).text(link); got != "Show the facts from the archive" {
		t.Errorf("link %q", got)
	}
}

func TestAnEntrysPageSaysWhatBecameOfItsPayload(t *testing.T) {
	t.Parallel()
	for state, want := range map[worklog.ArchiveState]string{
		worklog.ArchiveRead:        "from the archive",
		worklog.ArchiveMissing:     "does not have the details of this entry any more",
		worklog.ArchiveDamaged:     "is damaged and is not shown",
		worklog.ArchiveUnavailable: "does not answer at the moment",
	} {
		r := archived(state)
		if state == worklog.ArchiveRead {
			r.Details, r.DetailsBytes, r.Metadata = "ok", 2, worklog.Metadata{"exit": 0}
		}
		doc := find(t, view.EntryRowPage(view.EntryPage{Shell: shell("x", "/logs/"+id(1)), Row: r}))
		if got := doc.text(".entry .archived > .cap"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
		if state == worklog.ArchiveRead {
			if doc.text(".entry .archived pre") != "ok" || doc.text(".entry .archived dt") != "exit" {
				t.Errorf("the payload is %q, %q", doc.text(".archived pre"), doc.text(".archived dt"))
			}
		} else {
			doc.absent(".entry .archived pre")
		}
	}
}
