package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// turns are three turns of a provider that numbers the calls of each from call_0. The last one waits for its result.
type turns struct {
	s     *server
	token string
	began time.Time
}

func (r turns) at(turn int) time.Time { return r.began.Add(time.Duration(turn) * 3 * time.Second) }

// bring tells of a turn through a door: a transcript has those before it, too.
func (r turns) bring(door string, turn int) {
	call := `"name":"Bash","id":"call_0","input":{"command":"step %d"}`
	at, done := r.at(turn), r.at(turn).Add(time.Second)
	switch door {
	case "hooks":
		event := func(at time.Time, name, more string) {
			call := fmt.Sprintf(strings.NewReplacer(`"name"`, `"tool_name"`, `"id"`, `"tool_use_id"`, `"input"`, `"tool_input"`).Replace(call), turn)
			r.s.post(r.token, fmt.Sprintf(`{"session_id":"s","prompt_id":"p","timestamp":%q,"hook_event_name":%q,%s%s}`, at.Format(time.RFC3339Nano), name, call, more))
		}
		if event(at, "PreToolUse", ""); turn < 2 {
			event(done, "PostToolUse", fmt.Sprintf(`,"tool_response":"said %d","duration_ms":1000`, turn))
		}
	case "otlp":
		if turn < 2 {
			record := logRecord(done.Add(10*time.Millisecond), "tool_result", "tool_name", "Bash", "tool_use_id", "call_0", "success", "true", "duration_ms", "1000", "event.sequence", fmt.Sprint(turn))
			r.s.export("/v1/logs", r.token, logRequest(record))
		}
	case "file":
		var file strings.Builder
		for i := range turn + 1 {
			fmt.Fprintf(&file, `{"sessionId":"s","uuid":"a%d","timestamp":%q,"type":"assistant","message":{"content":[{"type":"tool_use",`+call+`}]}}`+"\n", i, r.at(i).Format(time.RFC3339Nano), i)
			if i < 2 {
				fmt.Fprintf(&file, `{"sessionId":"s","uuid":"r%d","timestamp":%q,"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"call_0","content":"said %d"}]}}`+"\n",
					i, r.at(i).Add(time.Second).Format(time.RFC3339Nano), i)
			}
		}
		r.s.importFile([]byte(file.String()), r.token)
	}
}

func TestAnIdThatComesAgainIsANewCallThroughEveryDoor(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"hooks otlp otlp file", "hooks file otlp otlp", "otlp otlp hooks file", "otlp file hooks otlp", "file hooks otlp otlp", "file otlp otlp hooks", "together"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			s := newServerWithLimit(t, 10_000)
			r := turns{s, s.user("a@x.test"), s.clock.now().Add(time.Second).Truncate(time.Second)}
			s.clock.advance(30 * time.Second)
			if order == "together" {
				for turn := range 3 {
					for _, door := range []string{"hooks", "otlp", "file"} {
						r.bring(door, turn)
					}
				}
			} else {
				for _, door := range strings.Fields(order) {
					for turn := range 3 {
						r.bring(door, turn)
					}
				}
			}
			all := s.byKey(r.token)
			for turn, key := range []string{"s/call_0", "s/call_0.2", "s/call_0.3"} {
				e := all[key]
				status, said := worklog.StatusSuccess, fmt.Sprint("said ", turn)
				if turn == 2 {
					status, said = worklog.StatusWorking, ""
				}
				if e.Status != status || e.Details != said || e.StartedAt.Sub(r.at(turn)).Abs() > 10*time.Millisecond {
					t.Errorf("%s: %s %q from %s", key, e.Status, e.Details, e.StartedAt.Sub(r.began))
				}
			}
			if len(all) != 3 {
				t.Errorf("%d entries: %v", len(all), slices.Sorted(maps.Keys(all)))
			}
		})
	}
}

func TestARequestWithManyCallsOfOneIdThatIsSentTwiceStoresEachOnce(t *testing.T) {
	t.Parallel()
	s := newServerWithLimit(t, 10_000)
	token := s.user("a@x.test")
	var records []string
	for i := range 60 {
		records = append(records, logRecord(s.clock.now().Add(time.Duration(i-100)*100*time.Millisecond), "tool_result", "tool_name", "Bash", "tool_use_id", "call_0", "success", "true", "duration_ms", "90", "event.sequence", fmt.Sprint(i)))
	}
	for range 2 {
		s.export("/v1/logs", token, logRequest(records...))
		if all := s.byKey(token); len(all) != 60 || all["s/call_0.60"].Status != worklog.StatusSuccess {
			t.Errorf("%d entries", len(all))
		}
	}
}
