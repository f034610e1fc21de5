package worklog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

const fullDraft = `{
	"title": "npm test", "type": "tool_call", "status": "working", "tool": "Bash", "conversation": "c",
	"conversation_title": "The tests", "details": "a\n\"b\"\u00e9\ud83d\ude00\/", "key": "k", "parent": "p", "source": "s",
	"metadata": {"n": 12345678901234567890, "f": -1.5e3, "t": true, "z": null, "l": [1, "x", {"y": []}], "o": {}},
	"started_at": "2026-01-02T03:04:05.123456Z", "ended_at": "2026-01-02T05:04:05+02:00", "logged_at": null, "user": "a@b.c"
}`

func TestEveryFieldOfADraftIsRead(t *testing.T) {
	t.Parallel()
	got, err := worklog.DecodeDraft([]byte(fullDraft))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	want := worklog.Draft{
		Title: "npm test", Type: "tool_call", Status: "working", Tool: "Bash", Conversation: "c", ConversationTitle: "The tests",
		Details: "a\n\"b\"é😀/", Key: "k", Parent: "p", Source: "s", User: "a@b.c",
		Metadata: worklog.Metadata{
			"n": json.Number("12345678901234567890"), "f": json.Number("-1.5e3"), "t": true, "z": nil,
			"l": []any{json.Number("1"), "x", map[string]any{"y": []any{}}}, "o": map[string]any{},
		},
		StartedAt: &start, EndedAt: got.EndedAt,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !got.EndedAt.Equal(end) {
		t.Errorf("ended_at is %v, want %v", got.EndedAt, end)
	}
}

// The names that DecodeDraft knows and the tags of Draft must not drift apart.
func TestADraftSurvivesItsOwnJSON(t *testing.T) {
	t.Parallel()
	var d worklog.Draft
	v := reflect.ValueOf(&d).Elem()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.String:
			f.SetString(fmt.Sprintf("text %d", i))
		case f.Type() == reflect.TypeFor[*time.Time]():
			f.Set(reflect.ValueOf(&now))
		default:
			f.Set(reflect.ValueOf(worklog.Metadata{"k": "v"}))
		}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := worklog.DecodeDraft(raw)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, d)
	}
}

func TestMistakesAreNamedByField_S14(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `"k%d":1,`, i)
	}
	for name, c := range map[string]struct {
		raw    string
		fields []string // "field message", in order
	}{
		"unknown":         {`{"title":"x","titel":"y","Title":"z"}`, []string{"titel is not a field of a draft", "Title is not a field of a draft"}},
		"wrong types":     {`{"title":1,"key":[],"metadata":"x","logged_at":5}`, []string{"title must be a string", "key must be a string", "metadata must be an object", "logged_at must be an RFC 3339 time"}},
		"twice":           {`{"title":"x","title":"y"}`, []string{"title is given twice"}},
		"twice, escaped":  {`{"title":"x","\u0074itle":"y"}`, []string{"title is given twice"}},
		"not an object":   {`["title"]`, []string{" must be a JSON object"}},
		"not a time":      {`{"started_at":"yesterday","ended_at":"10000-01-01T00:00:00Z"}`, []string{"started_at must be", "ended_at must be"}},
		"infinite time":   {`{"started_at":"infinity"}`, []string{"started_at must be"}},
		"metadata twice":  {`{"metadata":{"a":{"b":1,"b":2}}}`, []string{"metadata.a.b is given twice"}},
		"metadata deep":   {`{"metadata":` + deep + `}`, []string{"metadata must be nested at most 32 deep"}},
		"metadata keys":   {`{"metadata":{` + many.String() + `"z":1}}`, []string{"metadata must have at most 1000 keys"}},
		"metadata length": {`{"metadata":{"a":[` + strings.Repeat("1,", 70_000) + `1]}}`, []string{"metadata must have at most 65536 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := worklog.DecodeDraft([]byte(c.raw))
			e, ok := errors.AsType[*worklog.Error](err)
			if !ok || e.Code != worklog.CodeInvalid || len(e.Fields) != len(c.fields) {
				t.Fatalf("got %v, want %d fields", err, len(c.fields))
			}
			for i, f := range e.Fields {
				if got := f.Field + " " + f.Message; !strings.HasPrefix(got, c.fields[i]) {
					t.Errorf("field %d: %q, want %q", i, got, c.fields[i])
				}
			}
		})
	}
}

func TestWhatIsNotJSONIsMalformed_S14(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, ` `, `{`, `}`, `{"title":"x"`, `{"title":"x"} x`, `{}{}`, `{"title":"x",}`, `{title:"x"}`, `{'title':'x'}`, `{"a" 1}`, `nul`,
		`{"title":"\x"}`, `{"title":"\u12g4"}`, `{"title":"\u12`, `{"title":"` + "\n" + `"}`, `{"title":"x` + "\x00" + `"}`, "\x00", "{}\x00",
		`{"metadata":{"a":01}}`, `{"metadata":{"a":1.}}`, `{"metadata":{"a":.1}}`, `{"metadata":{"a":1e}}`, `{"metadata":{"a":+1}}`,
		`{"metadata":{"a":-}}`, `{"metadata":{"a":NaN}}`, `{"metadata":[1,]}`, `{"metadata":tru}`, "\ufeff{}",
		strings.Repeat("[", 100_000), `{"x":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5001),
	} {
		_, err := worklog.DecodeDraft([]byte(raw))
		if worklog.CodeOf(err) != worklog.CodeMalformed {
			t.Errorf("%.60q: got %v, want malformed", raw, err)
		}
		if err != nil && (strings.Contains(err.Error(), "worklog.") || strings.Contains(err.Error(), "struct")) {
			t.Errorf("%.60q: %v shows Go", raw, err)
		}
	}
}

func TestTheListOfMistakesIsBounded(t *testing.T) {
	t.Parallel()
	raw := "{" + strings.Repeat(`"`+strings.Repeat("y", 1000)+`":1,`, 5000) + `"z":1}`
	_, err := worklog.DecodeDraft([]byte(raw))
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || len(e.Fields) == 0 || len(e.Fields) > 50 || len(e.Error()) > 20_000 {
		t.Fatalf("%d bytes of error", len(fmt.Sprint(err)))
	}
}

func TestOneBadDraftDoesNotStopTheArray(t *testing.T) {
	t.Parallel()
	var got []string
	for d, err := range worklog.DecodeDrafts([]byte(` [ {"title":"a"}, 7, {"title":2}, {"title":"d"} ] `)) {
		got = append(got, fmt.Sprint(d.Title, "/", worklog.CodeOf(err)))
	}
	if want := "[a/ /invalid /invalid d/]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for d := range worklog.DecodeDrafts([]byte(`[{"title":"a"},{"title":"b"}]`)) {
		if d.Title != "a" {
			t.Error("went on after break")
		}
		break
	}
	for _, raw := range []string{``, `[`, `[{"title":"a"}`, `[{"title":"a"},]`, `[] []`, `{}`, `[{"title":"a"} {"title":"b"}]`} {
		var last error
		for _, err := range worklog.DecodeDrafts([]byte(raw)) {
			last = err
		}
		if worklog.CodeOf(last) != worklog.CodeMalformed {
			t.Errorf("%q ended with %v, want malformed", raw, last)
		}
	}
}

func FuzzDecodeDraft(f *testing.F) {
	f.Add([]byte(fullDraft))
	for _, s := range []string{`{"title":"\ud800x","metadata":{"a":[1e400,{"b":"\u0000"}]}}`, `{"x":[{}],"title":null}`, `{"metadata":{"a":1,"a":2}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := worklog.DecodeDraft(raw)
		if code := worklog.CodeOf(err); code == worklog.CodeMalformed {
			if json.Valid(raw) && depth(raw) < 1000 {
				t.Fatalf("%q is JSON, got %v", raw, err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON, got %+v, %v", raw, d, err)
		}
		if err != nil || !utf8.Valid(raw) {
			return
		}
		var want worklog.Draft
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q: encoding/json refuses it: %v", raw, err)
		}
		if a, b := fmt.Sprintf("%#v", indirect(d)), fmt.Sprintf("%#v", indirect(want)); a != b {
			t.Fatalf("%q\ngot  %s\nwant %s", raw, a, b)
		}
	})
}

func depth(raw []byte) int { return bytes.Count(raw, []byte("[")) + bytes.Count(raw, []byte("{")) }

// indirect replaces what prints as an address or in random order.
func indirect(d worklog.Draft) any {
	m, _ := json.Marshal(d.Metadata)
	at := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.String()
	}
	times := at(d.StartedAt) + at(d.EndedAt) + at(d.LoggedAt)
	d.Metadata, d.StartedAt, d.EndedAt, d.LoggedAt = nil, nil, nil, nil
	return []any{d, string(m), times}
}

func BenchmarkDecodeDraft(b *testing.B) {
	raw := []byte(`{"title":"Bash: npm test","type":"tool_call","status":"working","tool":"Bash","conversation":"session-1",` +
		`"key":"session-1/toolu_0123456789","started_at":"2026-01-02T03:04:05.123Z","metadata":{"cwd":"/src","exit":0},"details":"` +
		strings.Repeat("line of output\\n", 10) + `"}`)
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			if _, err := worklog.DecodeDraft(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			var d worklog.Draft
			if err := json.Unmarshal(raw, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func jsonNumber(s string) json.Number { return json.Number(s) }
