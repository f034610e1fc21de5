package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestImportingTwiceStoresOnce(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	s := shellOf(a, apptest.Email)
	old := time.Now().Add(-time.Hour).UTC()
	var b strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&b, "{\"title\":\"step %d\",\"logged_at\":%q}\n", i/2, old.Add(time.Duration(i/2)*time.Second).Format(time.RFC3339Nano)) // every line twice
	}
	path := filepath.Join(t.TempDir(), "log.ndjson")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1200 lines: 1200 stored, 0 updated, 0 unchanged", "1200 lines: 0 stored, 0 updated, 1200 unchanged"} {
		if code := s.run(t.Context(), "import", "--conversation", "old", path); code != 0 || !strings.Contains(s.stderr.String(), want) {
			t.Errorf("exit %d: %s, want %s", code, s.stderr.String(), want)
		}
	}
	stats, err := a.Client().Stats(t.Context())
	if err != nil || stats.Stored != 1200 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestAnExportCanBeImportedElsewhere(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	from, to := a.Client(), a.ClientOf("other@example.org", account.ScopeWrite, account.ScopeRead)
	old := time.Now().Add(-time.Hour)
	_, err := from.Append(t.Context(),
		worklog.Draft{Title: "a", Conversation: "c", Key: "k", Status: worklog.StatusSuccess, Type: worklog.TypeToolCall, LoggedAt: &old, Metadata: worklog.Metadata{"n": 12345678901234567}},
		worklog.Draft{Title: "b", Conversation: "c", LoggedAt: &old, Details: "d"}, worklog.Draft{Title: "c", LoggedAt: &old})
	if err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	for e, err := range from.All(t.Context(), worklog.Query{}) {
		raw, _ := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		export.Write(append(raw, '\n'))
	}
	s := shellOf(a, "other@example.org")
	s.stdin = &export
	if code := s.run(t.Context(), "import"); code != 0 {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	page, err := to.Entries(t.Context(), worklog.Query{})
	if err != nil || len(page.Entries) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	last := page.Entries[0]
	if e := page.Entries[2]; e.Title != "c" || e.ConversationID != "" || last.Title != "a" || last.ConversationID == "" || page.Entries[1].ConversationID != last.ConversationID ||
		last.Key != "k" || last.Metadata["n"] != json.Number("12345678901234567") || !last.LoggedAt.Equal(old.Truncate(time.Microsecond)) {
		t.Errorf("%+v", page.Entries)
	}
}

// importInto imports text with a client whose server is a function, on synctest's clock.
func importInto(ctx context.Context, s *shell, text string, server func(n int, drafts []worklog.Draft) (int, string)) (*importer, error) {
	n := 0
	wire := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet { // how entries age: an older server does not say
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var drafts []worklog.Draft
		for line := range bytes.Lines(body) {
			d, err := worklog.DecodeDraft(line)
			if err != nil {
				return nil, err
			}
			drafts = append(drafts, d)
		}
		n++
		status, answer := server(n, drafts)
		h := http.Header{}
		if status == http.StatusTooManyRequests {
			h.Set("Retry-After", "60")
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})
	a := s.app(ctx)
	im := &importer{a: a, c: worklog.New("http://x", "wlg_x", worklog.WithHTTPClient(&http.Client{Transport: wire})), progress: newProgress(a)}
	a.stdin = strings.NewReader(text)
	return im, im.file("-")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// receipts answers drafts with outcomes, repeating the last one.
func receipts(drafts []worklog.Draft, outcomes ...worklog.Outcome) string {
	list := make([]worklog.Receipt, len(drafts))
	for i := range list {
		list[i] = worklog.Receipt{Outcome: outcomes[min(i, len(outcomes)-1)], Entry: &worklog.Entry{}}
		if list[i].Outcome == worklog.OutcomeLimited {
			list[i].RetryAfter = 30
		}
	}
	var v any = map[string]any{"receipts": list}
	if len(list) == 1 {
		v = list[0]
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestImportWaitsForRoomInsteadOfLosingLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShell()
		start := time.Now()
		var got []string
		im, err := importInto(t.Context(), s, "{\"title\":\"a\"}\n{\"title\":\"b\"}\n{\"title\":\"c\"}\n", func(n int, drafts []worklog.Draft) (int, string) {
			for _, d := range drafts {
				got = append(got, d.Title)
			}
			switch n {
			case 1:
				return 429, `{"code":"rate_limited","detail":"the budget is used up"}`
			case 2:
				return 503, `{"code":"unavailable"}`
			case 3:
				return 200, receipts(drafts, worklog.OutcomeStored, worklog.OutcomeLimited)
			}
			return 200, receipts(drafts, worklog.OutcomeStored)
		})
		if err != nil || im.counts != (worklog.Counts{Stored: 3}) || strings.Join(got, "") != "abc"+"abc"+"abc"+"bc" {
			t.Errorf("%v, %+v, sent %v", err, im.counts, got)
		}
		if took := time.Since(start); took < 90*time.Second || !strings.Contains(s.stderr.String(), "waiting") {
			t.Errorf("took %v: %s", took, s.stderr.String())
		}
	})
}

func TestImportGivesUpOnAServerThatStaysAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := importInto(t.Context(), newShell(), `{"title":"a"}`, func(int, []worklog.Draft) (int, string) { return 503, `{"code":"unavailable"}` })
		if took := time.Since(start); worklog.CodeOf(err) != worklog.CodeUnavailable || took < importPatience || took > 2*importPatience {
			t.Errorf("%v after %v", err, took)
		}
		start = time.Now()
		_, err = importInto(t.Context(), newShell(), `{"title":"a"}`, func(int, []worklog.Draft) (int, string) { return 401, `{"code":"unauthorized"}` })
		if worklog.CodeOf(err) != worklog.CodeUnauthorized || time.Since(start) > 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = importInto(ctx, newShell(), `{"title":"a"}`, func(int, []worklog.Draft) (int, string) { return 429, `{"code":"rate_limited"}` })
		if ctx.Err() == nil || err == nil {
			t.Errorf("a signal: %v", err)
		}
	})
}

func TestDamagedLinesAreNamedAndCounted(t *testing.T) {
	t.Parallel()
	s := newShell()
	long := `{"title":"` + strings.Repeat("x", maxImportLine) + `"}`
	text := strings.Join([]string{`{"title":"a"}`, `{"title":`, ``, `{"titel":"x"}`, long, `{"title":"b"}`, `{"seq":1,"title":7}`, "\x1b[2J", `{"title":"refused"}`}, "\n")
	im, err := importInto(t.Context(), s, text, func(_ int, drafts []worklog.Draft) (int, string) {
		if len(drafts) != 3 {
			t.Errorf("%d drafts were sent", len(drafts))
		}
		return 200, receipts(drafts, worklog.OutcomeStored, worklog.OutcomeStored, worklog.OutcomeInvalid)
	})
	if err != nil || im.damaged != 5 || im.lines != 8 || im.counts != (worklog.Counts{Stored: 2, Invalid: 1}) {
		t.Errorf("%v, %d damaged of %d, %+v", err, im.damaged, im.lines, im.counts)
	}
	for _, want := range []string{"-:2: not JSON", "-:4: invalid draft: titel is not a field", "-:5: is longer than", "-:7: is not an entry", "-:8: not JSON", "-:9: "} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, s.stderr.String())
		}
	}
	many := newShell()
	if _, err := importInto(t.Context(), many, strings.Repeat("nonsense\n", 1000), nil); err != nil {
		t.Error(err)
	}
	if lines := strings.Count(many.stderr.String(), "\n"); lines != shownMistakes+1 {
		t.Errorf("%d lines on stderr", lines)
	}
}

func TestAnImportWithMistakesFails(t *testing.T) {
	t.Parallel()
	s := newShell("WORKLOG_TOKEN", "wlg_x", "WORKLOG_URL", "http://127.0.0.1:1")
	s.stdin = strings.NewReader("nonsense\n")
	if code := s.run(t.Context(), "import", "-"); code != 1 || !strings.Contains(s.stderr.String(), "1 of 1 lines were not imported") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	if code := s.run(t.Context(), "import", filepath.Join(t.TempDir(), "none")); code != 1 || !strings.Contains(s.stderr.String(), "none") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
}

func TestALineThatIsTooLongEndsWhereItEnds(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", maxImportLine+5)+"\nnext\n"+strings.Repeat("y", maxImportLine+1)), 64<<10)
	_, err := readLine(r)
	next, nextErr := readLine(r)
	_, lastErr := readLine(r)
	if !errors.Is(err, errLongLine) || string(next) != "next\n" || nextErr != nil || !errors.Is(lastErr, errLongLine) || !errors.Is(lastErr, io.EOF) {
		t.Errorf("%v, %q %v, %v", err, next, nextErr, lastErr)
	}
}

func TestProgressIsOneLineOnATerminalAndRareElsewhere(t *testing.T) {
	t.Parallel()
	for terminal, want := range map[bool]string{
		true: "\r\x1b[K1s\r\x1b[K2s\r\x1b[K6s\r\x1b[Kbad\nend\n", false: "6s\nbad\nend\n",
	} {
		var b strings.Builder
		var at time.Duration
		p := &progress{w: &b, terminal: terminal, now: func() time.Time { return time.Unix(0, 0).Add(at) }, last: time.Unix(0, 0)}
		for _, at = range []time.Duration{0, time.Second, time.Second, 2 * time.Second, 6 * time.Second} {
			p.update(at.String())
		}
		p.print("bad")
		p.update("too soon")
		p.finish("end")
		if b.String() != want {
			t.Errorf("terminal %v: %q, want %q", terminal, b.String(), want)
		}
	}
}
