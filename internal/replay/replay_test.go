package replay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func readFile(t *testing.T, path string) []Beat {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	beats, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return beats
}

func TestRecordedEventsHappenOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t) {
		before := time.Duration(0)
		beats := readFile(t, path)
		for i, b := range beats {
			if b.At < before || len(b.Body) == 0 {
				t.Errorf("%s: line %d comes before the one above it, or is empty", path, i+1)
			}
			before = b.At
		}
		if len(beats) < 20 {
			t.Errorf("%s: %d events", path, len(beats))
		}
	}
}

func TestToolTakesAsLongAsItDid(t *testing.T) {
	t.Parallel()
	lines := `{"hook_event_name":"PreToolUse","tool_use_id":"1"}
{"hook_event_name":"PostToolUse","tool_use_id":"1","duration_ms":7000}
{"hook_event_name":"Stop"}`
	beats, err := Read(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if len(beats) != 3 || beats[0].At != 0 || beats[1].At != 7*time.Second || beats[2].At != 9*time.Second {
		t.Fatalf("got %+v", beats)
	}
}

func TestDamagedLinesAreNamed(t *testing.T) {
	t.Parallel()
	if _, err := Read(strings.NewReader("{}\n{")); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("%v", err)
	}
}

func TestAnEventIsPostedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	answers := []int{503, 204, 429, 204, 400}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	refused := 0
	a := Agent{URL: server.URL, Token: "t", Refused: func(int) { refused++ }}
	if err := a.Play(t.Context(), []Beat{{0, []byte("1")}, {0, []byte("2")}}, 1); err != nil || refused != 2 {
		t.Errorf("%v, refused %d times", err, refused)
	}
	if err := a.Post(t.Context(), []byte("3")); err == nil {
		t.Error("an answer that no try can mend is no error")
	}
	want := "1 1 2 2 3"
	for i, n := range strings.Fields(want) {
		if got[i] != "/api/v1/hooks Bearer t "+n {
			t.Errorf("request %d: %s", i, got[i])
		}
	}
}
