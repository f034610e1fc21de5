package api_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

func TestOneDraftIsAnsweredByItsOutcome(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	post := func(body string) (answer, worklog.Receipt) {
		a := s.do(http.MethodPost, "/api/v1/logs", token, body)
		var r worklog.Receipt
		a.into(t, &r)
		return a, r
	}
	a, first := post(`{"title":"npm test","status":"working","key":"k","conversation":"c"}`)
	if a.status != 201 || first.Outcome != worklog.OutcomeStored || first.Entry.Seq != 1 || a.header.Get("Location") != "/api/v1/logs/"+first.Entry.ID {
		t.Errorf("stored: %d %+v, Location %q", a.status, first, a.header.Get("Location"))
	}
	a, r := post(`{"title":"npm test","status":"success","key":"k"}`)
	if a.status != 200 || r.Outcome != worklog.OutcomeUpdated || r.Entry.ID != first.Entry.ID || r.Entry.Seq != 1 || r.Entry.Rev != 2 {
		t.Errorf("updated: %d %+v", a.status, r)
	}
	a, r = post(`{"title":"npm test","status":"success","key":"k"}`)
	if a.status != 200 || r.Outcome != worklog.OutcomeUnchanged {
		t.Errorf("unchanged: %d %+v", a.status, r)
	}
	_, one := post(`{"title":"again"}`)
	a, r = post(`{"title":"again"}`)
	if a.status != 200 || r.Outcome != worklog.OutcomeMerged || r.Entry.ID != one.Entry.ID || r.Entry.Repeats != 2 {
		t.Errorf("merged: %d %+v", a.status, r)
	}
	if got := a.header.Get("RateLimit-Policy"); got != `"user";q=60;w=60` {
		t.Errorf("RateLimit-Policy %q", got)
	}
	if got := a.header.Get("RateLimit"); !strings.HasPrefix(got, `"user";r=58;t=`) {
		t.Errorf("RateLimit %q", got)
	}
}

func TestOverTheLimitADraftIsCountedAndNotStored(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	a := s.do(http.MethodPost, "/api/v1/logs", token, repeatJSON(62, titled))
	var many struct {
		Receipts []worklog.Receipt
		Counts   worklog.Counts
	}
	a.into(t, &many)
	if a.status != 200 || many.Counts != (worklog.Counts{Stored: 60, Limited: 2}) {
		t.Fatalf("%d %+v", a.status, many.Counts)
	}
	last := many.Receipts[61]
	if last.Outcome != worklog.OutcomeLimited || last.Entry == nil || last.Entry.ID != "" || last.Entry.Title != "t61" || last.RetryAfter < 1 || last.Reason == "" {
		t.Errorf("%+v", last)
	}
	if a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.header.Get("RateLimit"), `"user";r=0;`) {
		t.Errorf("headers %v", a.header)
	}
	s.clock.advance(61 * time.Second)
	if a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"later"}`); a.status != 201 {
		t.Errorf("a minute later: %d %s", a.status, a.body)
	}
}

func TestImportsHaveABudgetOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	old := s.clock.now().Add(-time.Hour).Format(time.RFC3339)
	for i := range 20 {
		batch := repeatJSON(1000, func(j int) string { return fmt.Sprintf(`{"title":"t%d.%d","logged_at":%q}`, i, j, old) })
		if a := s.do(http.MethodPost, "/api/v1/logs", token, batch); a.status != 200 {
			t.Fatalf("batch %d: %d %.200s", i, a.status, a.body)
		}
	}
	a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"one more","logged_at":"`+old+`"}`)
	if p := a.problem(t); a.status != 429 || p.Code != worklog.CodeRateLimited || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %+v", a.status, p)
	}
	if a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"live"}`); a.status != 201 {
		t.Errorf("a live draft: %d %s", a.status, a.body)
	}
}

func TestOneBadDraftNeverFailsItsNeighbours(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	lines := []string{
		`{"title":"first"}`, `{"title":`, `"text"`, `{"title":"x","status":"done","nope":1}`, `{"title":""}`, "", `{"title":"last"}`,
	}
	for name, body := range map[string][2]string{
		"ndjson": {"application/x-ndjson", strings.Join(lines, "\r\n")},
		"array":  {"application/json", "[" + strings.Join([]string{lines[0], `7`, lines[2], lines[3], lines[4], lines[6]}, ",") + "]"},
	} {
		token := s.user(name + "@x.test")
		a := s.do(http.MethodPost, "/api/v1/logs", token, body[1], "Content-Type", body[0])
		var many struct {
			Receipts []worklog.Receipt
			Counts   worklog.Counts
		}
		a.into(t, &many)
		var got []string
		for _, r := range many.Receipts {
			got = append(got, string(r.Outcome)+":"+fields(r.Errors))
		}
		want := "[stored: invalid:1 invalid:2 invalid:3.nope 3.status invalid:4.title stored:]"
		if a.status != 200 || fmt.Sprint(got) != want || many.Counts != (worklog.Counts{Stored: 2, Invalid: 4}) {
			t.Errorf("%s: %d %v %+v", name, a.status, got, many.Counts)
		}
		if n := s.count(token); n != 2 {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}

func TestRefusedDraftsAreCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"x","nope":1}`)
	s.do(http.MethodPost, "/api/v1/logs", token, `[{"title":""},{"title":1}]`)
	stats := must[worklog.Stats](t)(s.client(token).Stats(t.Context()))
	for deadline := time.Now().Add(20 * time.Second); stats.Invalid < 3 && time.Now().Before(deadline); {
		s.clock.advance(time.Second) // counts are written at most once a second
		must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), worklog.Draft{Title: "x"}))
		stats = must[worklog.Stats](t)(s.client(token).Stats(t.Context()))
	}
	if stats.Invalid != 3 {
		t.Errorf("%d invalid drafts are counted, want 3", stats.Invalid)
	}
}

func TestWhenEveryDraftIsInvalidTheAnswerIs422(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	a := s.do(http.MethodPost, "/api/v1/logs", token, `{"status":"done"}`)
	if p := a.problem(t); a.status != 422 || fields(p.Errors) != "title status" {
		t.Errorf("one: %d %+v", a.status, p)
	}
	a = s.do(http.MethodPost, "/api/v1/logs", token, `[{"titel":"x"},{}]`)
	if p := a.problem(t); a.status != 422 || fields(p.Errors) != "0.titel 0.title 1.title" {
		t.Errorf("many: %d %+v", a.status, p)
	}
	receipts, err := s.client(token).Append(t.Context(), worklog.Draft{}, worklog.Draft{Title: "x", Type: "y"})
	if worklog.CodeOf(err) != worklog.CodeInvalid || len(receipts) != 2 || fields(receipts[1].Errors) != "type" {
		t.Errorf("client: %+v, %v", receipts, err)
	}
}

// It is long because it is a table: one line for each body.
func TestBodiesThatMakeNoSenseAreRefused_S14(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	const ndjson = "application/x-ndjson"
	long := strings.Repeat("x", 8<<20)
	for name, c := range map[string]struct {
		body, media string
		status      int
		code        worklog.Code
	}{
		"trailing junk":        {`{"title":"x"} x`, "", 400, worklog.CodeMalformed},
		"two objects":          {`{"title":"x"}{}`, "", 400, worklog.CodeMalformed},
		"empty":                {``, "", 400, worklog.CodeMalformed},
		"blank":                {" \n", "", 400, worklog.CodeMalformed},
		"no drafts":            {`[]`, "", 400, worklog.CodeMalformed},
		"blank lines":          {"\n\n \n", ndjson, 400, worklog.CodeMalformed},
		"text":                 {`"x"`, "", 400, worklog.CodeMalformed},
		"null":                 {`null`, "", 400, worklog.CodeMalformed},
		"cut object":           {`{"title":"x"`, "", 400, worklog.CodeMalformed},
		"cut array":            {`[{"title":"x"}`, "", 400, worklog.CodeMalformed},
		"junk after an array":  {`[{"title":"x"}]]`, "", 400, worklog.CodeMalformed},
		"unknown field":        {`{"title":"x","y":1}`, "", 422, worklog.CodeInvalid},
		"duplicate key":        {`{"title":"x","title":"y"}`, "", 422, worklog.CodeInvalid},
		"wrong type":           {`{"title":7}`, "", 422, worklog.CodeInvalid},
		"wrong enum":           {`{"title":"x","type":"tool"}`, "", 422, worklog.CodeInvalid},
		"long title":           {`{"title":"` + strings.Repeat("é", 501) + `"}`, "", 422, worklog.CodeInvalid},
		"far ahead":            {`{"title":"x","logged_at":"2999-01-01T00:00:00Z"}`, "", 422, worklog.CodeInvalid},
		"year 10000":           {`{"title":"x","logged_at":"10000-01-01T00:00:00Z"}`, "", 422, worklog.CodeInvalid},
		"1,001 drafts":         {repeatJSON(1001, titled), "", 413, worklog.CodeTooLarge},
		"1,001 lines":          {strings.Repeat("{}\n", 1001), ndjson, 413, worklog.CodeTooLarge},
		"8 MiB and 1":          {`{"title":"` + long[:len(long)-11] + `"}`, "", 413, worklog.CodeTooLarge},
		"8 MiB and 1 in lines": {strings.Repeat("{\"title\":\""+long[:1<<20-12]+"\"}\n", 8) + "\n", ndjson, 413, worklog.CodeTooLarge},
		"one line of 8 MiB":    {long + "x", ndjson, 413, worklog.CodeTooLarge},
		"other media":          {`{"title":"x"}`, "text/plain", 415, worklog.CodeMediaType},
		"a form":               {`title=x`, "application/x-www-form-urlencoded", 415, worklog.CodeMediaType},
		"other charset":        {`{"title":"x"}`, "application/json; charset=latin1", 415, worklog.CodeMediaType},
	} {
		media := c.media
		if media == "" {
			media = "application/json"
		}
		a := s.do(http.MethodPost, "/api/v1/logs", token, c.body, "Content-Type", media)
		if p := a.problem(t); a.status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %+v, want %d", name, a.status, p, c.status)
		}
	}
	chunked, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/logs", io.MultiReader(strings.NewReader(long), strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	chunked.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	if res, err := s.spec.RoundTrip(chunked); err != nil || res.StatusCode != 413 {
		t.Errorf("8 MiB and 1 without a length: %v, %v", res, err)
	}
	for _, encoding := range []string{"gzip", "br", "deflate, gzip"} {
		if a := s.do(http.MethodPost, "/api/v1/logs", token, "\x1f\x8b", "Content-Encoding", encoding); a.status != 415 {
			t.Errorf("Content-Encoding %s: %d", encoding, a.status)
		}
	}
	if a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"fine"}`, "Content-Type", "application/json; charset=UTF-8", "Content-Encoding", "identity"); a.status != 201 {
		t.Errorf("a fine one: %d %s", a.status, a.body)
	}
	if n := s.count(token); n != 1 {
		t.Errorf("%d entries are stored, want 1", n)
	}
}

func TestTextIsStoredByteForByte_S01(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for i, text := range []string{
		`'; DROP TABLE work_logs;--`, `? ?0 ?msg $1 \\`, `-1`, `?-1`, `$$`, `\`, `\x00`, `E'\n'`, `{{7*7}}`, `<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`, `</textarea>`, `javascript:alert(1)`, `%`, `_`, `\u0000`, "{}", `{"a":1}`, strings.Repeat("'", 250_000),
	} {
		title := text
		if len(title) > 400 {
			title = title[:400]
		}
		d := worklog.Draft{
			Title: title, Tool: worklog.Cut(text, 60), Details: text, Key: fmt.Sprint(i, worklog.Cut(text, 150)), Source: worklog.Cut(text, 60),
			Conversation: "c" + worklog.Cut(text, 150), Parent: "p" + worklog.Cut(text, 150),
		}
		if len(text) < 60_000 {
			d.Metadata = worklog.Metadata{text: text, "list": []any{text}}
		}
		receipts, err := s.client(token).Append(t.Context(), d)
		if err != nil {
			t.Fatalf("%.40q: %v", text, err)
		}
		e := must[worklog.Entry](t)(s.client(token).Entry(t.Context(), receipts[0].Entry.ID))
		if len(e.Metadata) == 0 {
			e.Metadata = nil
		}
		got := worklog.Draft{
			Title: e.Title, Tool: e.Tool, Details: e.Details, Key: e.Key, Source: e.Source, Conversation: d.Conversation, Parent: e.Parent, Metadata: e.Metadata,
		}
		if !reflect.DeepEqual(got, d) {
			t.Errorf("%.40q came back as %.400q", text, fmt.Sprint(got))
		}
		page := must[worklog.Page](t)(s.client(token).Entries(t.Context(), worklog.Query{Conversation: d.Conversation, Text: worklog.Cut(text, 100)}))
		if len(page.Entries) != 1 {
			t.Errorf("%.40q was not found by its text", text)
		}
	}
}

func TestHostileCharactersCanBeStored_S17(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	n := 0
	for raw, want := range map[string]string{
		`a\u0000b`: "a\uFFFDb", `a\ud800b`: "a\uFFFDb", "a\xff\xfeb": "a\uFFFDb", `a\u202eb`: "a\u202eb", `\u001b[2J`: "\x1b[2J",
		`\u001b]8;;http://x\u0007`: "\x1b]8;;http://x\a", `x\r\nevent: x\ndata: y`: "x\r\nevent: x\ndata: y", `\u2028`: "\u2028",
		strings.Repeat(`\u200d`, 300): strings.Repeat("\u200d", 300), `\ud83d\ude00`: "😀",
	} {
		a := s.do(http.MethodPost, "/api/v1/logs", token, fmt.Sprint(`{"tool":"`, n, `","title":"-`)+raw+`-","details":"`+raw+`","metadata":{"k`+raw+`":["`+raw+`"]}}`)
		n++
		var r worklog.Receipt
		a.into(t, &r)
		if a.status != 201 {
			t.Fatalf("%q: %d %s", raw, a.status, a.body)
		}
		e := must[worklog.Entry](t)(s.client(token).Entry(t.Context(), r.Entry.ID))
		if e.Title != "-"+want+"-" || e.Details != want || !reflect.DeepEqual(e.Metadata, worklog.Metadata{"k" + want: []any{want}}) {
			t.Errorf("%q became %q, %q, %v", raw, e.Title, e.Details, e.Metadata)
		}
	}
	line := strings.Repeat("x", 1<<20)
	receipts := must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), worklog.Draft{Title: "long", Details: line}))
	if d := receipts[0].Entry.Details; len(d) > worklog.MaxDetailsBytes || !strings.HasSuffix(d, "bytes in all]") {
		t.Errorf("a line of 1 MiB became %d bytes", len(d))
	}
}

func TestMetadataIsDataAndBounded_S03(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	d := worklog.Draft{Title: "x", Metadata: worklog.Metadata{"<b>": "1", "__proto__": "2", "hx-get": "/x", "constructor": map[string]any{"prototype": "3"}, "": "4"}}
	r := must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), d))
	if e := must[worklog.Entry](t)(s.client(token).Entry(t.Context(), r[0].Entry.ID)); !reflect.DeepEqual(e.Metadata, d.Metadata) {
		t.Errorf("got %v", e.Metadata)
	}
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	for name, m := range map[string]string{
		"10,000 keys": "{" + strings.Join(keys, ",") + "}", "depth 1,000": strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
		"64 KiB": `{"a":"` + strings.Repeat("x", 65_536) + `"}`, "a huge number": `{"a":1e131071}`, "a tiny number": `{"a":1e-16000}`,
		"a list": `[1]`, "twice": `{"a":1,"a":2}`,
	} {
		a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"x","metadata":`+m+`}`)
		if p := a.problem(t); a.status != 422 || !strings.HasPrefix(fields(p.Errors), "metadata") {
			t.Errorf("%s: %d %+v", name, a.status, p)
		}
	}
}

func TestDraftsThatOnlyLookAlikeAreNotMerged_S16(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	a := s.do(http.MethodPost, "/api/v1/logs", token, `[{"title":"c","tool":"a|b"},{"title":"b|c","tool":"a"},{"title":"a","details":"b\u001fc"},
		{"title":"a\u001fb","details":"c"},{"title":"x","tool":"y"},{"title":"xy"},{"title":"x","tool":"y"}]`)
	var many struct{ Counts worklog.Counts }
	if a.into(t, &many); many.Counts != (worklog.Counts{Stored: 6, Merged: 1}) {
		t.Errorf("%+v", many.Counts)
	}
}

func TestAWriterWithoutReadLearnsLittle_S07(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	full, bare := s.user("a@x.test"), s.user("a@x.test", account.ScopeWrite)
	s.do(http.MethodPost, "/api/v1/logs", full, `{"title":"secret","key":"theirs","details":"secret"}`)
	for _, body := range []string{`{"title":"x","key":"k","status":"working"}`, `[{"title":"x","key":"k","status":"success"},{"title":"y"},{"title":"y","key":"theirs"}]`} {
		a := s.do(http.MethodPost, "/api/v1/logs", bare, body)
		if strings.Contains(string(a.body), "secret") || strings.Contains(string(a.body), "seq") || !strings.Contains(string(a.body), `"key":"k"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := s.do(http.MethodPost, "/api/v1/logs", bare, `{"title":"x","key":"theirs","status":"error"}`); a.status != 422 || fields(a.problem(t).Errors) != "key" {
		t.Errorf("somebody else's key: %d %s", a.status, a.body)
	}
	if a := s.do(http.MethodGet, "/api/v1/logs", bare, ""); a.status != 403 {
		t.Errorf("reading with write alone: %d", a.status)
	}
}

func TestWritingForOthersNeedsItsScopeAndReadsNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	own, other := s.user("a@x.test"), s.user("b@x.test")
	relay := s.user("a@x.test", account.ScopeWriteAny, account.ScopeRead)
	s.do(http.MethodPost, "/api/v1/logs", other, `{"title":"secret of b","key":"k"}`)
	a := s.do(http.MethodPost, "/api/v1/logs", relay, `{"title":"for b","key":"k","user":"B@x.test"}`)
	if a.status != 422 || fields(a.problem(t).Errors) != "key" || strings.Contains(string(a.body), "secret") {
		t.Errorf("a key of b's own: %d %s", a.status, a.body)
	}
	for i, status := range []int{http.StatusCreated, http.StatusOK} {
		if a := s.do(http.MethodPost, "/api/v1/logs", relay, `{"title":"for b","key":"relayed","user":"b@x.test"}`); a.status != status {
			t.Errorf("delivery %d: %d %s", i+1, a.status, a.body)
		}
	}
	for _, c := range []struct{ token, body string }{{own, `{"title":"x","user":"b@x.test"}`}, {relay, `{"title":"x","user":"nobody@x.test"}`}} {
		if a := s.do(http.MethodPost, "/api/v1/logs", c.token, c.body); a.status != 422 || fields(a.problem(t).Errors) != "user" {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	if n := s.count(other); n != 2 {
		t.Errorf("b has %d entries", n)
	}
}
