package worklog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

// brokenRules returns the fields that Validate names, in order.
func brokenRules(t *testing.T, d worklog.Draft, now time.Time) string {
	t.Helper()
	d.Normalize()
	err := d.Validate(now)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || e.Code != worklog.CodeInvalid {
		t.Fatalf("%v", err)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Field)
	}
	return strings.Join(names, " ")
}

func TestEveryRuleNamesItsField(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(t time.Time) *time.Time { return &t }
	ok := strings.Repeat("é", worklog.MaxKeyChars)
	for want, d := range map[string]worklog.Draft{
		"":                   {Title: strings.Repeat("é", 500), Key: ok, Parent: "p", Conversation: ok, LoggedAt: at(now.Add(23 * time.Hour)), StartedAt: at(time.Unix(0, 0))},
		"title":              {Title: " \n"},
		"title ":             {Title: strings.Repeat("é", 501)},
		"tool":               {Title: "x", Tool: strings.Repeat("x", 65)},
		"source":             {Title: "x", Source: strings.Repeat("x", 65)},
		"source ":            {Title: "x", Source: worklog.SourceWorklog},
		"key":                {Title: "x", Key: ok + "x"},
		"parent":             {Title: "x", Parent: ok + "x"},
		"parent ":            {Title: "x", Parent: "k", Key: "k"},
		"conversation":       {Title: "x", Conversation: ok + "x"},
		"conversation_id":    {Title: "x", Conversation: "c", ConversationID: "d"},
		"conversation_title": {Title: "x", ConversationTitle: strings.Repeat("x", 501)},
		"type status":        {Title: "x", Type: "tool", Status: "done"},
		"logged_at":          {Title: "x", LoggedAt: at(now.Add(25 * time.Hour))},
		"ended_at":           {Title: "x", EndedAt: at(time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC))},
		"title tool key":     {Tool: strings.Repeat("x", 65), Key: ok + "x"},
	} {
		if got := brokenRules(t, d, now); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}

func TestMetadataHasBounds_S03(t *testing.T) {
	t.Parallel()
	deep := func(n int) (v any) {
		for range n {
			v = []any{v}
		}
		return v
	}
	keys := func(n int) worklog.Metadata {
		m := worklog.Metadata{}
		for i := range n {
			m[fmt.Sprint(i)] = i
		}
		return m
	}
	long := strings.Repeat("k", 1000)
	for name, c := range map[string]struct {
		m    worklog.Metadata
		want string
	}{
		"nothing":           {nil, ""},
		"go values":         {worklog.Metadata{"i": 1, "f": 1.5, "t": time.Unix(0, 0), "m": worklog.Metadata{"x": []any{nil, true}}}, ""},
		"32 deep":           {worklog.Metadata{"a": deep(31)}, ""},
		"33 deep":           {worklog.Metadata{"a": deep(32)}, "metadata.a" + strings.Repeat(".0", 31)},
		"maps too deep":     {worklog.Metadata{"a": deep(31), "b": map[string]any{"c": deep(31)}}, "metadata.b.c" + strings.Repeat(".0", 30)},
		"1,000 keys":        {keys(1000), ""},
		"1,001 keys":        {keys(1001), "metadata"},
		"64 KiB":            {worklog.Metadata{"a": strings.Repeat("x", 65_536-8)}, ""},
		"more than 64 KiB":  {worklog.Metadata{"a": strings.Repeat("x", 65_536-7)}, "metadata"},
		"a huge number":     {worklog.Metadata{"n": json.Number("1e131071")}, "metadata.n"},
		"a tiny number":     {worklog.Metadata{"l": []any{json.Number("1e-400")}}, "metadata.l.0"},
		"a long zero":       {worklog.Metadata{"n": json.Number("0e-16000")}, "metadata.n"},
		"zeros":             {worklog.Metadata{"a": json.Number("0"), "b": json.Number("-0.0"), "c": json.Number("0e5"), "d": json.Number("1e308")}, ""},
		"a long number":     {worklog.Metadata{"n": json.Number("1." + strings.Repeat("1", 20_000))}, "metadata.n"},
		"every digit":       {worklog.Metadata{"n": json.Number(strconv.FormatFloat(0x1p-1022, 'f', 1074, 64)), "m": json.Number("-1" + strings.Repeat("0", 308))}, ""},
		"an empty number":   {worklog.Metadata{"n": json.Number("x")}, "metadata.n"},
		"infinity":          {worklog.Metadata{"n": math.Inf(1)}, "metadata.n"},
		"a function":        {worklog.Metadata{"f": func() {}}, "metadata"},
		"a long field name": {worklog.Metadata{long: json.Number("x")}, worklog.Cut("metadata."+long, 200)},
	} {
		if got := brokenRules(t, worklog.Draft{Title: "x", Metadata: c.m}, time.Now()); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTextIsMadeStorable_S17(t *testing.T) {
	t.Parallel()
	m := worklog.Metadata{"k\x00": []any{"a\xff", map[string]any{"x": "\x00"}, 7}, "same": "same"}
	paris := time.FixedZone("", 3600)
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, paris)
	d := worklog.Draft{Title: "  a\x00b\xff ", Key: "\x00", Metadata: m, LoggedAt: &at}
	d.Normalize()
	if d.Title != "a\uFFFDb\uFFFD" || d.Key != "\uFFFD" || d.Type != worklog.TypeInfo || d.Status != worklog.StatusInfo {
		t.Errorf("%+v", d)
	}
	if got := fmt.Sprint(d.Metadata); got != "map[k\uFFFD:[a\uFFFD map[x:\uFFFD] 7] same:same]" {
		t.Errorf("metadata %s", got)
	}
	if fmt.Sprintf("%q", m["k\x00"]) == "" || len(m) != 2 || m["same"] != "same" {
		t.Error("the caller's metadata was changed")
	}
	if !d.LoggedAt.Equal(at.Truncate(time.Microsecond)) || d.LoggedAt.Location() != time.UTC || at.Location() != paris {
		t.Errorf("logged at %v", d.LoggedAt)
	}
}

func TestLongDetailsAreCutVisibly(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("é", worklog.MaxDetailsBytes), "x" + strings.Repeat("😀", worklog.MaxDetailsBytes/4)} {
		got := worklog.CutDetails(s)
		if len(got) > worklog.MaxDetailsBytes || len(got) < worklog.MaxDetailsBytes-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, fmt.Sprintf("[cut here: %d bytes in all]", len(s))) {
			t.Errorf("%d bytes became %d: %q", len(s), len(got), got[len(got)-40:])
		}
		if again := worklog.CutDetails(got); again != got {
			t.Error("cutting again changes it")
		}
	}
	if s := strings.Repeat("x", worklog.MaxDetailsBytes); worklog.CutDetails(s) != s {
		t.Error("details at the bound are cut")
	}
}

func TestWordsOfTheContract(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(worklog.Types(), worklog.Statuses(), worklog.StorageStatuses()); got != "[ai_response tool_call file_operation deployment error info] [working success warning error info] [hot warm cold archived]" {
		t.Error(got)
	}
	if !worklog.TypeInfo.Valid() || worklog.Type("x").Valid() || !worklog.StatusError.Valid() || worklog.Status("").Valid() || !worklog.VisibilityTeam.Valid() || worklog.Visibility("world").Valid() {
		t.Error("Valid is wrong")
	}
	if worklog.StatusWorking.Final() || !worklog.StatusWarning.Final() {
		t.Error("Final is wrong")
	}
	var c worklog.Counts
	for i, o := range []worklog.Outcome{"stored", "updated", "unchanged", "merged", "limited", "invalid", "made up"} {
		c.Add(o, int64(i+1))
	}
	sum := c
	sum.AddAll(c)
	if c != (worklog.Counts{Stored: 1, Updated: 2, Unchanged: 3, Merged: 4, Limited: 5, Invalid: 6}) || sum.Received() != 42 {
		t.Errorf("%+v %+v", c, sum)
	}
	for want, v := range map[string]worklog.Conversation{"t": {Title: "t", Key: "k"}, "k": {Key: "k"}, "Untitled conversation": {}} {
		if got := v.DisplayTitle(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestErrorsTellTheirCodeThroughWrapping(t *testing.T) {
	t.Parallel()
	e := &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid draft", Fields: []worklog.FieldError{{Field: "a", Message: "b"}, {Field: "c", Message: "d"}}, Err: errors.New("cause")}
	if got := e.Error(); got != "invalid draft: a b; c d: cause" {
		t.Error(got)
	}
	if worklog.CodeOf(fmt.Errorf("x: %w", e)) != worklog.CodeInvalid || worklog.CodeOf(errors.New("x")) != worklog.CodeInternal || worklog.CodeOf(nil) != "" {
		t.Error("CodeOf is wrong")
	}
	if got := (&worklog.Error{Code: worklog.CodeConflict}).Error(); got != "conflict" {
		t.Error(got)
	}
}

func FuzzANormalDraftStaysAsItIs(f *testing.F) {
	f.Add("title\x00", "det\xffails", "key", `{"a":["\u0000",1e5]}`)
	f.Fuzz(func(t *testing.T, title, details, key, metadata string) {
		d := worklog.Draft{Title: title, Details: details, Key: key}
		if json.Unmarshal([]byte(metadata), &d.Metadata) != nil {
			d.Metadata = nil
		}
		d.Normalize()
		again := d
		again.Normalize()
		a, errA := json.Marshal(d)
		b, errB := json.Marshal(again)
		if string(a) != string(b) || (errA == nil) != (errB == nil) {
			t.Fatalf("%s\n%s", a, b)
		}
		if errA == nil && strings.Contains(strings.ReplaceAll(string(a), `\\`, ""), `\u0000`) {
			t.Fatalf("NUL in %s", a)
		}
	})
}
