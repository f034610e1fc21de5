package sse

import (
	"math"
	"strings"
	"testing"
	"time"

	gosse "github.com/tmaxmax/go-sse"
)

func TestBlocksLookAsTheyShould(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		event Event
		want  string
	}{
		{"log", Event{Name: "log", ID: 42, Data: "<li>one</li>"}, "id: 42\nevent: log\ndata: <li>one</li>\n\n"},
		{"hello", Event{Name: "hello", Data: "{}", Retry: 2500 * time.Millisecond}, "retry: 2500\nid: 0\nevent: hello\ndata: {}\n\n"},
		{"bye leaves the id", Event{Name: "bye", Data: "evicted", NoID: true}, "event: bye\ndata: evicted\n\n"},
		{"no data still is an event", Event{Name: "reset", NoID: true}, "event: reset\ndata: \n\n"},
		{"every kind of line", Event{NoID: true, Data: "a\nb\rc\r\nd\n\re"}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n"},
		{"forged fields", Event{NoID: true, Data: "x\rid: 7\nevent: bye\n\ndata: y"}, "data: x\ndata: id: 7\ndata: event: bye\ndata: \ndata: data: y\n\n"},
		{"a name has one line", Event{Name: "a\nid: 7", NoID: true, Data: "x"}, "event: a\ndata: x\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(Append(nil, tt.event)); got != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

// roundTrip writes an event between two others and reads all three with an independent parser.
func roundTrip(t *testing.T, e Event) gosse.Event {
	t.Helper()
	wire := Append(nil, Event{Name: "before", ID: 1, Data: "1"})
	wire = Append(wire, e)
	wire = Append(wire, Event{Name: "after", ID: 3, Data: "1"})
	var events []gosse.Event
	for got, err := range gosse.Read(strings.NewReader(string(wire)), &gosse.ReadConfig{MaxEventSize: 4 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, got)
	}
	if len(events) != 3 || events[0].Type != "before" || events[2].Type != "after" || events[2].LastEventID != "3" {
		t.Fatalf("one event became %d: %+v", len(events)-2, events)
	}
	return events[1]
}

// asRead is what a reader makes of data: every line ends with LF.
func asRead(data string) string {
	return strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
}

func checkRoundTrip(t *testing.T, data string) {
	t.Helper()
	got := roundTrip(t, Event{Name: "log", ID: 2, Data: data})
	if got.Type != "log" || got.LastEventID != "2" || got.Data != asRead(data) {
		t.Errorf("%q became event %q, id %q, data %q", data, got.Type, got.LastEventID, got.Data)
	}
}

func TestOtherParserReadsWhatWasMeant(t *testing.T) {
	t.Parallel()
	for _, data := range awkward() {
		checkRoundTrip(t, data)
	}
	checkRoundTrip(t, strings.Repeat("0123456789abcdef", 1<<16))
	if got := roundTrip(t, Event{Name: "log", ID: math.MaxInt64, Data: "x"}); got.LastEventID != "9223372036854775807" {
		t.Errorf("the largest id became %s", got.LastEventID)
	}
}

func awkward() []string {
	return []string{
		"", " ", " leading", "trailing ", "\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r", "a\nb", "a\rb", "a\r\nb", "a\r\n\r\nb", "ends\n", "ends\r",
		"nul \x00 inside", "\u2028 and \u2029 and \u0085", "\v\f", "\xff\xfe", "\ufeffid: 9", "data: x", "id: 9", "event: bye\ndata: evicted\n\n", ":comment",
		"\rretry: 1", "x\n\nid: 99\nevent: bye\ndata: y\n\n", "<ol hx-swap-oob=\"afterbegin:#log-list\"><li>ü</li></ol>",
	}
}

func FuzzNoTextCanBecomeAField(f *testing.F) {
	for _, data := range awkward() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) { checkRoundTrip(t, data) })
}
