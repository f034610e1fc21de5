package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

func entryRow(t *testing.T, r view.Row) document {
	t.Helper()
	return find(t, view.EntryRow(r))
}

func TestEveryStatusHasAShapeAndAWordOfItsOwn(t *testing.T) {
	t.Parallel()
	shapes, words := map[string]bool{}, map[string]bool{}
	for _, status := range worklog.Statuses() {
		doc := entryRow(t, row(1, worklog.TypeInfo, status, "x", 1, -1))
		var shape strings.Builder
		for _, n := range doc.all(".st svg *") {
			shape.WriteString(n.Data + attrOf(n, "d") + attrOf(n, "r"))
		}
		shapes[shape.String()], words[doc.text(".st .sr")] = true, true
	}
	if n := len(worklog.Statuses()); len(shapes) != n || len(words) != n {
		t.Errorf("%d shapes and %d words for %d statuses", len(shapes), len(words), n)
	}
}

func TestARowCarriesWhatTheLivePageNeeds(t *testing.T) {
	t.Parallel()
	doc := entryRow(t, with(row(7, worklog.TypeToolCall, worklog.StatusSuccess, "Bash: ls", 3, time.Second), func(r *view.Row) { r.Key, r.Parent = "s:7", "s:1" }))
	for name, want := range map[string]string{"id": "entry-" + id(7), "data-order": "7", "data-rev": "107", "data-key": "s:7", "data-parent": "s:1"} {
		if got := doc.attr("li", name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := doc.attr("time", "datetime"); got != "2026-11-22T14:02:00.000Z" {
		t.Errorf("datetime = %q", got)
	}
	if got := doc.text("time"); got != "22 Nov 2026 14:02 UTC" {
		t.Errorf("without script the time reads %q", got)
	}
}

func TestARowLeadsToItsConversationWithoutNamingIt(t *testing.T) {
	t.Parallel()
	r := row(1, worklog.TypeInfo, worklog.StatusInfo, "x", 1, -1)
	doc := entryRow(t, r)
	if got := doc.attr(".conv", "href"); got != "/conversations/"+r.ConversationID {
		t.Errorf("the row leads to %q", got)
	}
	if got := doc.text(".conv"); got != "conversation" {
		t.Errorf("the row names its conversation %q", got)
	}
	r.ConversationID = ""
	entryRow(t, r).absent(".conv")
}

func TestARunningStepSaysSinceWhen(t *testing.T) {
	t.Parallel()
	r := row(1, worklog.TypeToolCall, worklog.StatusWorking, "Bash: sleep", 3, 0)
	r.StartedAt = ago(time.Hour)
	if got := entryRow(t, r).attr(".dur", "data-started"); got != "2026-11-22T13:05:00.000Z" {
		t.Errorf("data-started = %q, want the start", got)
	}
	r.StartedAt = time.Time{}
	if got := entryRow(t, r).attr(".dur", "data-started"); got != "2026-11-22T14:02:00.000Z" {
		t.Errorf("data-started = %q, want the time of the entry", got)
	}
	done := row(1, worklog.TypeToolCall, worklog.StatusSuccess, "Bash: sleep", 3, 8200*time.Millisecond)
	doc := entryRow(t, done)
	doc.absent("[data-started]")
	if got := doc.text(".dur"); got != "8.2 s" {
		t.Errorf("duration = %q", got)
	}
}

func TestDurationsAreAsPreciseAsTheyAreLong(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", 40 * time.Millisecond: "40 ms", 100 * time.Millisecond: "0.1 s", 8249 * time.Millisecond: "8.2 s", 38 * time.Second: "38 s", 59990 * time.Millisecond: "59.9 s",
		time.Minute: "1 m 00 s", 130 * time.Second: "2 m 10 s", 3599 * time.Second: "59 m 59 s", 64 * time.Minute: "1 h 04 m", 76 * time.Hour: "3 d 4 h",
	} {
		if got := entryRow(t, row(1, worklog.TypeInfo, worklog.StatusSuccess, "x", 1, d)).text(".dur"); got != want {
			t.Errorf("%v reads %q, want %q", d, got, want)
		}
	}
}

func TestOnlyARowWithSomethingInItUnfolds(t *testing.T) {
	t.Parallel()
	bare := row(1, worklog.TypeInfo, worklog.StatusInfo, "x", 1, -1)
	entryRow(t, bare).absent("details")
	full := entryRow(t, with(bare, func(r *view.Row) { r.Metadata = worklog.Metadata{"a": true} }))
	if k, v := full.text("details dt"), full.text("details dd"); k != "a" || v != "true" {
		t.Errorf("the fact is %q %q", k, v)
	}
}

func TestLongDetailsLeadToTheWholeText(t *testing.T) {
	t.Parallel()
	r := row(1, worklog.TypeToolCall, worklog.StatusSuccess, "x", 1, -1)
	r.Details, r.DetailsBytes = "beginning", 31<<10
	doc := entryRow(t, r)
	if got := doc.text(".out a"); got != "Show all 31 KB" {
		t.Errorf("link = %q", got)
	}
	if href, get := doc.attr(".out a", "href"), doc.attr(".out a", "hx-get"); href != "/logs/"+id(1) || get != href {
		t.Errorf("href %q, hx-get %q", href, get)
	}
	r.DetailsBytes = len(r.Details)
	entryRow(t, r).absent(".out a")
}

func TestAFailedStepShowsTheTellingLineFolded(t *testing.T) {
	t.Parallel()
	r := row(1, worklog.TypeToolCall, worklog.StatusError, "Bash: false", 1, -1)
	r.Details = "\n  \x1b[31mexit status 1\x1b[0m\nmore"
	if got := entryRow(t, r).text(".peek"); got != "exit status 1" {
		t.Errorf("peek = %q", got)
	}
	r.Details = "ok 1 a paid cart\nnot ok 2\nTimeoutError: no spinner\nmore"
	if got := entryRow(t, r).text(".peek"); got != "TimeoutError: no spinner" {
		t.Errorf("peek = %q, want the line that speaks of the failure", got)
	}
	r.Status = worklog.StatusSuccess
	entryRow(t, r).absent(".peek")
	r.Status, r.Details = worklog.StatusError, " \n\n"
	entryRow(t, r).absent(".peek")
}

func TestTitlesSetTheToolApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tool, title, bold, whole string }{
		{"Bash", "Bash: ls", "Bash:", "Bash: ls"},
		{"Read", "Read main.go", "Read", "Read main.go"},
		{"Bash", "list the files", "Bash", "Bash list the files"},
		{"Read", "Readable", "Read", "Read Readable"},
		{"Task", "Task", "Task", "Task"},
		{"", "a thought", "", "a thought"},
		{"", "\x1b[31m\x1b[0m", "", "(no visible text)"},
	} {
		r := row(1, worklog.TypeToolCall, worklog.StatusSuccess, tt.title, 1, -1)
		r.Tool = tt.tool
		doc := entryRow(t, r)
		if got := doc.text(".title"); got != tt.whole {
			t.Errorf("%q by %q reads %q, want %q", tt.title, tt.tool, got, tt.whole)
		}
		if bold := doc.all(".title b"); len(bold) > 0 != (tt.bold != "") || len(bold) > 0 && textOf(bold[0]) != tt.bold {
			t.Errorf("%q by %q sets %v apart, want %q", tt.title, tt.tool, bold, tt.bold)
		}
	}
}

func TestRowsSayWhatIsUnusual(t *testing.T) {
	t.Parallel()
	base := row(1, worklog.TypeInfo, worklog.StatusWarning, "x", 1, -1)
	entryRow(t, base).absent(".rep, .own, .nested, .code")
	doc := entryRow(t, with(base, func(r *view.Row) {
		r.Repeats, r.Parent, r.Source, r.Type, r.Inferred = 3, "p", worklog.SourceWorklog, worklog.TypeFileOperation, true
	}))
	doc.one("li.own.nested.code.s-warning")
	if got := doc.text(".rep"); got != "×3" {
		t.Errorf("repeats = %q", got)
	}
	if got := textOf(doc.all(".word")[0]); got != "end not reported" {
		t.Errorf("inferred end reads %q", got)
	}
}

func TestAnUnknownStatusIsANote(t *testing.T) {
	t.Parallel()
	r := row(1, `x" onclick="`, `y" onclick="`, "x", 1, -1)
	entryRow(t, r).one(`li[class="row s-info"]`)
}

// One rendering serves every viewer: no form, no token, nothing that only one of them may see.
func TestARowHoldsNothingOfItsViewer(t *testing.T) {
	t.Parallel()
	for _, r := range session() {
		entryRow(t, r).absent("form, input, button, script, [name], .mine")
	}
}
