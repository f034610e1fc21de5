package view_test

import (
	"slices"
	"testing"

	"github.com/worklogdev/worklog/web/view"
)

// storageSays is what the dashboard's storage card complains of, and the figures of its last list.
func storageSays(t *testing.T, r view.BoardRoom) (complaints, figures []string) {
	t.Helper()
	b := board()
	b.Room = r
	doc := find(t, view.DashboardPage(dashboard(b)))
	for _, n := range doc.all("#board-storage .complaint") {
		complaints = append(complaints, textOf(n))
	}
	for _, n := range doc.all("#board-storage dl > div") {
		figures = append(figures, textOf(n))
	}
	return complaints, figures
}

func TestTheDashboardSaysWhatFindsNoRoomNow(t *testing.T) {
	t.Parallel()
	got, figures := storageSays(t, view.BoardRoom{
		PerDay: 1 << 30, Full: 2, Database: view.BoardDisk{Known: true, Free: 4.2, Scarce: true}, Archive: view.BoardDisk{Known: true, Free: 0.04, Scarce: true},
	})
	want := []string{
		"The disk is nearly full: 4.2 % is free. Details of new entries are cut until there is room.",
		"The disk of the archive is nearly full: 0.0 % is free. Once it is full entries do not become cold.",
		"2 users wrote 1.0 GB today, as much as one may: details of further entries are cut until midnight UTC.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the card says %q, want %q", got, want)
	}
	if len(figures) != 4 {
		t.Errorf("the figures are %q", figures)
	}
	got, figures = storageSays(t, view.BoardRoom{PerDay: 1 << 30, Archive: view.BoardDisk{Known: true, Free: 61}})
	if len(got) != 0 || len(figures) != 3 || !slices.Contains(figures, "free on the archive's disk61 %") {
		t.Errorf("with room for all the card complains %q, and shows %q", got, figures)
	}
}
