package worklog_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func fullEntry() worklog.Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return worklog.Entry{
		ID: "0190", Seq: 7, Rev: 9, ConversationID: "c", Key: "k", Parent: "p", Type: "tool_call", Status: "success", StorageStatus: "hot",
		Tool: "Bash", Title: "a \"quote\" \\ \x01\n\t\r<b>\u2028é😀", Details: "d", Source: "s", Repeats: 2,
		Metadata:  worklog.Metadata{"z": []any{json.Number("1.5"), "x", nil, true}, "a": map[string]any{"b": json.Number("12345678901234567890")}},
		StartedAt: at, EndedAt: at.Add(1500 * time.Millisecond), LoggedAt: at, CreatedAt: at, UpdatedAt: at,
	}
}

func TestAnEntrySurvivesItsOwnJSON(t *testing.T) {
	t.Parallel()
	for _, e := range []worklog.Entry{fullEntry(), {Repeats: 1}} {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got worklog.Entry
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		if len(got.Metadata) == 0 {
			got.Metadata = nil
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("got  %+v\nwant %+v", got, e)
		}
	}
}

func TestAnEntryHasTheNamesOfTheContract(t *testing.T) {
	t.Parallel()
	var got map[string]any
	raw, err := json.Marshal(fullEntry())
	if err != nil || json.Unmarshal(raw, &got) != nil {
		t.Fatal(err)
	}
	names := []string{
		"id", "seq", "rev", "conversation_id", "key", "parent", "type", "status", "storage_status", "tool", "title", "details", "metadata",
		"source", "repeats", "started_at", "ended_at", "duration_ms", "logged_at", "created_at", "updated_at",
	}
	for _, n := range names {
		if _, ok := got[n]; !ok {
			t.Errorf("%s is missing", n)
		}
	}
	if len(got) != len(names) || got["duration_ms"] != 1500.0 || got["started_at"] != "2026-01-02T03:04:05.000006Z" {
		t.Errorf("got %v", got)
	}
}

func TestAReceiptSurvivesItsOwnJSON(t *testing.T) {
	t.Parallel()
	e := fullEntry()
	for _, r := range []worklog.Receipt{
		{Outcome: worklog.OutcomeStored, Entry: &e},
		{Outcome: worklog.OutcomeLimited, Entry: &worklog.Entry{Repeats: 1, Metadata: worklog.Metadata{}}, Reason: "over the limit", RetryAfter: 3},
		{Outcome: worklog.OutcomeInvalid, Errors: []worklog.FieldError{{Field: "0.title", Message: "is required"}, {Field: `x"`, Message: "y"}}},
	} {
		raw, err := r.AppendJSON([]byte("["))
		if err != nil {
			t.Fatal(err)
		}
		var got []worklog.Receipt
		if err := json.Unmarshal(append(raw, ']'), &got); err != nil || !reflect.DeepEqual(got[0], r) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, r)
		}
	}
}

func TestMetadataThatHasNoJSONIsAnError(t *testing.T) {
	t.Parallel()
	loop := worklog.Metadata{}
	loop["loop"] = loop
	for _, m := range []worklog.Metadata{{"f": func() {}}, {"n": json.Number("nonsense")}, {"l": []any{make(chan int)}}, loop} {
		if raw, err := json.Marshal(worklog.Entry{Metadata: m}); err == nil {
			t.Errorf("wrote %.100s", raw)
		}
	}
}

func FuzzAppendJSONWritesWhatEncodingJSONReads(f *testing.F) {
	f.Add("a\x00\u2029\"\\<é\xff", "12", "k")
	f.Add("\x1b[2J\r\nevent: x\ndata: y", "-0", "__proto__")
	f.Add("\u202e", "01", "")
	f.Fuzz(func(t *testing.T, text, number, key string) {
		e := worklog.Entry{Title: text, Metadata: worklog.Metadata{key: []any{text, json.Number(number)}}}
		raw, err := json.Marshal(e)
		if err != nil {
			return // not a number
		}
		var want, got string
		std, _ := json.Marshal(text)
		_ = json.Unmarshal(std, &want)
		var back worklog.Entry
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatalf("%q: %v in %s", text, err, raw)
		}
		for _, list := range back.Metadata {
			got = fmt.Sprint(list.([]any)[0])
		}
		if back.Title != want || got != want {
			t.Fatalf("%q came back as %q and %q, want %q", text, back.Title, got, want)
		}
	})
}

func BenchmarkEntryJSON(b *testing.B) {
	e := fullEntry()
	e.Metadata = nil
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf, _ = e.AppendJSON(buf[:0])
	}
}
