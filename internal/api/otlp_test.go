package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const protobuf = "application/x-protobuf"

// logRecord is a log record of session s as Claude Code writes it. Attributes are given as name, value.
func logRecord(at time.Time, event string, attrs ...string) string {
	list := fmt.Sprintf(`{"key":"session.id","value":{"stringValue":"s"}},{"key":"event.name","value":{"stringValue":%q}}`, event)
	for i := 0; i < len(attrs); i += 2 {
		list += fmt.Sprintf(`,{"key":%q,"value":{"stringValue":%q}}`, attrs[i], attrs[i+1])
	}
	return fmt.Sprintf(`{"timeUnixNano":"%d","body":{"stringValue":"claude_code.%s"},"attributes":[%s]}`, at.UnixNano(), event, list)
}

func logRequest(records ...string) string {
	return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Join(records, ",") + `]}]}]}`
}

// export posts a request and fails unless it was taken as a whole.
func (s *server) export(path, token, body string) {
	s.t.Helper()
	if a := s.do(http.MethodPost, path, token, body); a.status != http.StatusOK || string(a.body) != "{}" {
		s.t.Fatalf("%.200s: %d %s", body, a.status, a.body)
	}
}

// protoLogs is a request of records that say one word each.
func protoLogs(t *testing.T, at time.Time, words ...string) *logspb.LogsData {
	t.Helper()
	scope := &logspb.ScopeLogs{}
	for _, w := range words {
		body := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: w}}
		scope.LogRecords = append(scope.LogRecords, &logspb.LogRecord{TimeUnixNano: uint64(at.UnixNano()), Body: body})
	}
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{scope}}}}
}

func marshal(t *testing.T, m proto.Message) string {
	t.Helper()
	return string(must[[]byte](t)(proto.Marshal(m)))
}

// message reads the fields of a message without a schema: numbers and bytes by their field.
func message(t *testing.T, raw []byte) (numbers map[protowire.Number]uint64, texts map[protowire.Number][]byte) {
	t.Helper()
	numbers, texts = map[protowire.Number]uint64{}, map[protowire.Number][]byte{}
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		raw = raw[max(n, 0):]
		switch typ {
		case protowire.VarintType:
			numbers[num], n = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			texts[num], n = protowire.ConsumeBytes(raw)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		raw = raw[n:]
	}
	return numbers, texts
}

func TestExportersAreAnsweredInTheirOwnEncoding(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, path := range []string{"/v1/logs", "/v1/traces", "/v1/metrics"} {
		if a := s.do(http.MethodPost, path, token, "{}"); a.status != 200 || string(a.body) != "{}" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %s", path, a.status, a.header, a.body)
		}
		if a := s.do(http.MethodPost, path, token, "", "Content-Type", protobuf); a.status != 200 || len(a.body) > 0 || a.header.Get("Content-Type") != protobuf {
			t.Errorf("%s: %d %s %q", path, a.status, a.header, a.body)
		}
		if a := s.do(http.MethodPost, path, token, "x", "Content-Type", "text/plain"); a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/v1/logs", "/v1/traces"} {
		a := s.do(http.MethodPost, path, token, `{"resourceLogs":`)
		var status struct {
			Code    int
			Message string
		}
		if a.into(t, &status); a.status != 400 || status.Code != 3 || status.Message == "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		a = s.do(http.MethodPost, path, token, "\xff\xff\xff", "Content-Type", protobuf)
		if code, text := message(t, a.body); a.status != 400 || code[1] != 3 || len(text[2]) == 0 || a.header.Get("Content-Type") != protobuf {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
}

func TestTelemetryThatIsSentTwiceIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, at := s.user("a@x.test"), s.clock.now()
	body := logRequest(
		logRecord(at, "user_prompt", "prompt", "Fix it", "prompt.id", "p1"),
		logRecord(at.Add(time.Second), "assistant_response", "response", "Done.", "prompt.id", "p1", "message.uuid", "m1"),
		logRecord(at.Add(2*time.Second), "assistant_response", "response", "Done.", "prompt.id", "p1", "message.uuid", "m2"),
		logRecord(at, "tool_result", "tool_name", "Bash", "tool_use_id", "t1", "success", "true", "duration_ms", "1500", "tool_input", `{"command":"npm test"}`),
		logRecord(at, "tomorrow_event", "message", "hi"),
		logRecord(at, "api_request", "model", "x"),
	)
	traces := `{"resourceSpans":[{"scopeSpans":[{"spans":[` +
		`{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"execute_tool ls","startTimeUnixNano":1770619268663000000,"endTimeUnixNano":1770619269663000000,` +
		`"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}}]}]}]}]}`
	for range 2 {
		s.export("/v1/logs", token, body)
		s.export("/v1/traces", token, traces)
		s.clock.advance(3 * time.Second)
	}
	all := s.byKey(token)
	call := all["s/t1"]
	if took, _ := call.Duration(); len(all) != 6 || call.Title != "Bash: npm test" || call.Status != worklog.StatusSuccess || took != 1500*time.Millisecond {
		t.Errorf("%d entries, %+v", len(all), call)
	}
	if stats := must[worklog.Stats](t)(s.client(token).Stats(t.Context())); stats.Stored != 6 || stats.Unchanged < 6 || stats.Updated != 0 {
		t.Errorf("%+v", stats)
	}
	list := must[worklog.ConversationPage](t)(s.client(token).Conversations(t.Context(), worklog.ConversationQuery{})).Conversations
	if len(list) != 2 || list[len(list)-1].Title+list[0].Title != "Fix it" {
		t.Errorf("%+v", list)
	}
}

func TestADamagedRecordCostsItselfAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, at := s.user("a@x.test"), s.clock.now()
	body := logRequest(logRecord(at, "one"), `7`, `{"timeUnixNano":{},"body":{"doubleValue":{}},"attributes":[{"key":"a","value":{"doubleValue":{}}},5,{"value":{}}]}`,
		`{"body":{"stringValue":"`+strings.Repeat("x", 1<<20)+`"}}`, logRecord(at, "two"))
	var partial struct {
		PartialSuccess struct{ RejectedLogRecords, ErrorMessage string }
	}
	s.do(http.MethodPost, "/v1/logs", token, body).into(t, &partial)
	if p := partial.PartialSuccess; p.RejectedLogRecords != "2" || p.ErrorMessage == "" || s.count(token) != 3 {
		t.Errorf("%+v, %d entries", p, s.count(token))
	}
	data := marshal(t, protoLogs(t, at, "before", "damaged", "after"))
	a := s.do(http.MethodPost, "/v1/logs", token, strings.Replace(data, "\x07damaged", "\x7fdamaged", 1), "Content-Type", protobuf) // longer than what holds it
	_, outer := message(t, a.body)
	if number, text := message(t, outer[1]); a.status != 200 || number[1] != 1 || len(text[2]) == 0 || s.count(token) != 5 {
		t.Errorf("%d %q, %d entries", a.status, a.body, s.count(token))
	}
	data = marshal(t, protoLogs(t, at, "no utf-8 befo\x01re", "and none after"))
	a = s.do(http.MethodPost, "/v1/logs", token, strings.Replace(data, "\x01", "\xff", 1), "Content-Type", protobuf)
	if a.status != 200 || len(a.body) != 0 || s.count(token) != 7 { // it costs one character
		t.Errorf("%d %q, %d entries", a.status, a.body, s.count(token))
	}
}

func TestOverTheLimitAnExporterKeepsItsBatch(t *testing.T) {
	t.Parallel()
	s := newServerWithLimit(t, 5)
	token, at := s.user("a@x.test"), s.clock.now()
	words := make([]string, agentLimit+300)
	for i := range words {
		words[i] = "record " + strconv.Itoa(i)
	}
	body := marshal(t, protoLogs(t, at, words...))
	a := s.do(http.MethodPost, "/v1/logs", token, body, "Content-Type", protobuf)
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if code, _ := message(t, a.body); a.status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 60 || code[1] != 8 {
		t.Fatalf("%d %v %q", a.status, a.header, a.body)
	}
	s.clock.advance(61 * time.Second)
	if a = s.do(http.MethodPost, "/v1/logs", token, body, "Content-Type", protobuf); a.status != 200 || len(a.body) > 0 {
		t.Fatalf("%d %q", a.status, a.body)
	}
	if n := s.count(token); n != len(words) { // and none that says some were suppressed
		t.Errorf("%d entries of %d", n, len(words))
	}
}

func TestTheLimitOfABodyHoldsForWhatComesOutOfIt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	gzipped := func(size int) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(append(append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), size-8)...), `"}`...))
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	whole, half := gzipped(1000), gzipped(100_000)
	for name, c := range map[string]struct {
		body, encoding string
		want           int
	}{
		"small":        {whole, "gzip", 200},
		"16 MiB":       {gzipped(16 << 20), "GZIP", 200},
		"16 MiB + 1":   {gzipped(16<<20 + 1), "gzip", 413},
		"plain, 9 MiB": {"{}" + strings.Repeat(" ", 9<<20), "identity", 200},
		"cut off":      {half[:len(half)/2], "gzip", 400},
		"no gzip":      {"{}", "gzip", 400},
		"another":      {"{}", "zstd", 415},
	} {
		if a := s.do(http.MethodPost, "/v1/logs", token, c.body, "Content-Encoding", c.encoding); a.status != c.want {
			t.Errorf("%s: %d %.200s", name, a.status, a.body)
		}
	}
}

// Claude Code has sent its telemetry in chunks for a while.
func TestABodyOfUnknownLengthIsTaken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/logs", io.MultiReader(strings.NewReader(logRequest(logRecord(s.clock.now(), "one"))))))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	res := must[*http.Response](t)(s.spec.RoundTrip(r))
	res.Body.Close()
	if r.ContentLength > 0 || res.StatusCode != http.StatusOK || s.count(token) != 1 {
		t.Errorf("%s, %d entries", res.Status, s.count(token))
	}
}

func TestOnlyTokensMadeForItWorkInAnAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	telemetry, write, read := s.user("a@x.test", account.ScopeOTLP), s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	body := logRequest(logRecord(s.clock.now(), "one"))
	for path, want := range map[string]int{
		"/otlp/" + telemetry + "/v1/logs": 200, "/otlp/" + telemetry + "/v1/traces": 200, "/otlp/" + telemetry + "/v1/metrics": 200,
		"/otlp/" + write + "/v1/logs": 403, "/otlp/" + read + "/v1/logs": 403, "/otlp/wlg_nonsense/v1/logs": 401, "/otlp/" + account.NewSecret() + "/v1/logs": 401,
	} {
		a := s.do(http.MethodPost, path, "", body, "Authorization", "Basic eDp5")
		if a.status != want || strings.Contains(string(a.body), "wlg_") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for path, want := range map[string]int{"/v1/logs": 200, "/api/v1/logs": 403, "/api/v1/hooks": 403, "/api/v1/stats": 403} {
		if a := s.do(http.MethodPost, path, telemetry, body); a.status != want && (path != "/api/v1/stats" || a.status != 405) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if n := s.count(read); n != 1 {
		t.Errorf("%d entries", n)
	}
	_, _, err := account.NewToken(account.User{ID: 1}, account.TokenRequest{Name: "x", Scopes: []account.Scope{account.ScopeOTLP, account.ScopeRead}}, true, s.clock.now())
	if worklog.CodeOf(err) != worklog.CodeInvalid {
		t.Errorf("a token for addresses that can do more: %v", err)
	}
}

func TestExportersWaitWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, body := s.user("a@x.test"), logRequest(logRecord(s.clock.now(), "one"))
	s.export("/v1/logs", token, body) // the token is known from now on
	s.store.Close()
	a := s.do(http.MethodPost, "/v1/logs", token, logRequest(logRecord(s.clock.now(), "two")))
	var status struct{ Code int }
	if json.Unmarshal(a.body, &status) != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || status.Code != 14 {
		t.Errorf("%d %s %s", a.status, a.header, a.body)
	}
}

func TestTimesThatCanNotBeTrueAreReplacedAndSaidSo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, now := s.user("a@x.test"), s.clock.now()
	for i, at := range []time.Time{now.AddDate(-11, 0, 0), now.AddDate(0, 0, 2), time.Unix(0, 1)} {
		s.export("/v1/logs", token, logRequest(logRecord(at, "tool_result", "tool_name", "Bash", "tool_use_id", fmt.Sprint(i), "success", "true", "duration_ms", "5")))
	}
	for _, e := range s.byKey(token) {
		if e.LoggedAt.Sub(now).Abs() > time.Minute || e.Metadata["time_replaced"] != true {
			t.Errorf("%+v", e)
		}
	}
	if n := s.count(token); n != 3 {
		t.Errorf("%d entries", n)
	}
}
