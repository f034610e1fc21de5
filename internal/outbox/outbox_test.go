package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// server is a server that takes events as long as it is told to.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	events []string
	names  []string
	times  []string
	agents []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{status: http.StatusNoContent}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || r.URL.Path != "/api/v1/hooks" || r.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if s.status == http.StatusNoContent {
			s.events, s.names, s.times = append(s.events, string(raw)), append(s.names, r.Header.Get("Idempotency-Key")), append(s.times, r.Header.Get("Worklog-Event-Time"))
			s.agents = append(s.agents, r.Header.Get("Worklog-Agent"))
		}
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) set(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *server) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.events, " ")
}

// patience is what a busy machine may need for what no test says is quick.
const patience = time.Minute

// hand hands over events one after the other, and ignores what the curious are told.
func hand(t *testing.T, o *Outbox, events ...string) {
	t.Helper()
	for _, e := range events {
		_ = o.Hand(t.Context(), []byte(e))
	}
}

func deliver(t *testing.T, o *Outbox) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := o.Deliver(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAServerThatAnswersTakesEventsAtOnce(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	o := New(Options{Dir: dir, URL: s.URL + "/", Token: "good", Patience: patience})
	hand(t, o, "a", "b")
	entries, err := os.ReadDir(dir)
	if s.got() != "a b" || err != nil || len(entries) != 0 || s.names[0] == s.names[1] {
		t.Errorf("%s, %v, %v", s.got(), entries, err)
	}
}

func TestEventsWaitAndAreDeliveredInOrder(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	starts := 0
	o := New(Options{Dir: dir, URL: s.URL, Token: "good", Patience: patience, Deliver: func() error { starts++; return nil }})
	s.set(http.StatusServiceUnavailable)
	before := time.Now()
	hand(t, o, "a", "b", "c")
	s.set(http.StatusNoContent)
	hand(t, o, "d") // behind the others
	if s.got() != "" || starts != 4 {
		t.Fatalf("%q, %d deliveries started", s.got(), starts)
	}
	late := time.Now()
	if r := deliver(t, o); r.Delivered != 4 || s.got() != "a b c d" {
		t.Errorf("%+v, %q", r, s.got())
	}
	for i, text := range s.times {
		if at, err := time.Parse(time.RFC3339Nano, text); err != nil || at.Before(before) || at.After(late) {
			t.Errorf("event %d happened at %s", i, text)
		}
	}
	hand(t, o, "e")
	if s.got() != "a b c d e" || starts != 4 {
		t.Errorf("%q, %d deliveries started", s.got(), starts)
	}
}

// A proxy's page, a sign-in and another program at the address have answers, too.
func TestOnlyTheDoorsOwnAnswerTakesAnEvent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, status := range []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusPartialContent, http.StatusFound} {
		o := New(Options{Dir: t.TempDir(), URL: s.URL, Token: "good", Patience: patience})
		s.set(status)
		hand(t, o, "event")
		if waiting, err := o.waiting(); len(waiting) != 1 || err != nil {
			t.Fatalf("%d: %v, %v", status, waiting, err)
		}
		s.set(http.StatusNoContent)
		if r := deliver(t, o); r.Delivered != 1 {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

// A redirect can make a question of an event. Whatever the answer to that is, it is none to the event.
func TestWhatARedirectHasMadeAQuestionOfIsDeliveredLater(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusUnprocessableEntity, http.StatusUnauthorized, http.StatusInternalServerError} {
		var well atomic.Bool
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case well.Load():
				s.Config.Handler.ServeHTTP(w, r)
			case r.Method == http.MethodGet:
				w.WriteHeader(status)
			default:
				http.Redirect(w, r, "/sign-in?secret", http.StatusFound)
			}
		}))
		defer gate.Close()
		for name, client := range map[string]*http.Client{"its own": nil, "one that follows": gate.Client()} {
			well.Store(false)
			o := New(Options{Dir: t.TempDir(), URL: gate.URL, Token: "good", Patience: patience, Client: client})
			hand(t, o, "event")
			e := event{at: time.Now(), id: "x"}
			if err := o.post(t.Context(), e, []byte("{}")); err == nil || isRefused(err) || errors.Is(err, errDenied) || errors.Is(err, errFailed) ||
				!strings.Contains(err.Error(), "leads to "+gate.URL) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d, %s: %v", status, name, err)
			}
			well.Store(true)
			if r := deliver(t, o); r.Delivered != 1 {
				t.Errorf("%d, %s: %+v", status, name, r)
			}
		}
	}
}

// Agents may share a token, and then any of them delivers what waits.
func TestAnEventIsItsAgentsWhoeverDeliversIt(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	of := func(agent string) *Outbox { return New(Options{Dir: dir, URL: s.URL, Token: "good", Agent: agent}) }
	hand(t, of("claude-code"), "a")
	s.set(http.StatusServiceUnavailable)
	for _, agent := range []string{"codex", "", "claude-code", "../../x", strings.Repeat("x", 300)} {
		hand(t, of(agent), "b")
	}
	s.set(http.StatusNoContent)
	if r := deliver(t, of("gemini")); r.Delivered != 5 || strings.Join(s.agents, ",") != "claude-code,codex,,claude-code,," {
		t.Errorf("%+v, %q", r, s.agents)
	}
}

func TestAnEventThatTheServerRefusesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := New(Options{Dir: t.TempDir(), URL: s.URL, Token: "good", Patience: patience})
	s.set(http.StatusRequestEntityTooLarge)
	if err := o.Hand(t.Context(), []byte("large")); !isRefused(err) {
		t.Errorf("%v", err)
	}
	if waiting, err := o.waiting(); len(waiting) != 0 || err != nil {
		t.Errorf("%v, %v", waiting, err)
	}
}

func TestWhatWaitsForARevokedTokenGoesWithItsSuccessor(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	old := New(Options{Dir: dir, URL: s.URL, Token: "revoked", Patience: patience})
	hand(t, old, "a", "b")
	if _, err := old.Deliver(t.Context(), true); !errors.Is(err, errDenied) {
		t.Errorf("%v", err)
	}
	o := New(Options{Dir: dir, URL: s.URL, Token: "good", Patience: patience})
	if err := o.Adopt(dir, "revoked"); err != nil {
		t.Fatal(err)
	}
	hand(t, o, "c")
	if r := deliver(t, o); r.Delivered != 3 || s.got() != "a b c" {
		t.Errorf("%+v %q", r, s.got())
	}
}

func TestAFullOutboxTellsHowMuchIsLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := New(Options{Dir: t.TempDir(), URL: s.URL, Token: "good", Patience: patience})
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	whole := event{at: time.Unix(1, 0), id: "x", size: maxBytes} // a name is believed
	if err := os.WriteFile(filepath.Join(o.dir, whole.name()), []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	hand(t, o, "lost", "lost")
	if r := deliver(t, o); r.Delivered != 1 || !strings.HasPrefix(s.got(), "first {") || !strings.Contains(s.got(), "2 events of this machine are lost") {
		t.Errorf("%+v %q", r, s.got())
	}
	hand(t, o, "next")
	if deliver(t, o); !strings.HasSuffix(s.got(), " next") || strings.Count(s.got(), "lost") != 1 {
		t.Errorf("%q", s.got())
	}
}

// Whatever the server does, the agent goes on: the promise is 300 ms, and the process itself needs some of them. One of
// some hooks has to keep it, on a machine that may be busy.
func TestAnAgentNeverWaitsLong(t *testing.T) {
	t.Parallel()
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hangs.Close() }()
	closed := httptest.NewServer(nil)
	closed.Close()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK) // there is more to come
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer slow.Close()
	defer close(release)
	for name, url := range map[string]string{
		"hangs": "http://" + hangs.Addr().String(), "is closed": closed.URL, "has no name": "http://worklog.invalid", "is no address": "::", "dribbles": slow.URL, "is nowhere": "http://192.0.2.1",
	} {
		if !slices.ContainsFunc(make([]int, 5), func(int) bool { return waitsShortly(t, name, url) }) {
			t.Errorf("the server %s: the agent waits, or its event does not", name)
		}
	}
}

// waitsShortly reports whether a hook whose server is away keeps its event in the time that an agent has for it. Each
// has nothing that waits, so that it tries the server.
func waitsShortly(t *testing.T, name, url string) bool {
	t.Helper()
	o := New(Options{Dir: t.TempDir(), URL: url, Token: "t"})
	began := time.Now()
	err := o.Hand(t.Context(), []byte("{}"))
	took := time.Since(began)
	waiting, readErr := o.waiting()
	t.Logf("the server %s: %v, %v, %d wait", name, took, err, len(waiting))
	if readErr != nil {
		t.Errorf("the server %s: %v", name, readErr)
	}
	return err == nil && len(waiting) == 1 && took <= 300*time.Millisecond
}

func TestManyHooksAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	s.set(http.StatusBadGateway)
	var wg sync.WaitGroup
	const sessions, each = 20, 5
	for n := range sessions {
		wg.Go(func() {
			for i := range each {
				o := New(Options{Dir: dir, URL: s.URL, Token: "good"}) // a process of its own
				if err := o.keep(event{at: time.Now(), id: fmt.Sprintf("%dx%d", n, i), size: 5}.name(), event{size: 5}, fmt.Appendf(nil, "%d-%d", n, i), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.set(http.StatusNoContent)
	var delivering sync.WaitGroup
	for range 4 {
		delivering.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := New(Options{Dir: dir, URL: s.URL, Token: "good"}).Deliver(ctx, true); err != nil {
				t.Error(err)
			}
		})
	}
	delivering.Wait()
	got := strings.Fields(s.got())
	if len(got) != sessions*each {
		t.Errorf("%d of %d events", len(got), sessions*each)
	}
	for n := range sessions {
		last := -1
		for i := range each {
			at := slices.Index(got, fmt.Sprintf("%d-%d", n, i))
			if at <= last {
				t.Errorf("event %d of session %d is at %d, the one before at %d", i, n, at, last)
			}
			last = at
		}
	}
}

func TestHalfWrittenFilesAreNoEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := New(Options{Dir: t.TempDir(), URL: s.URL, Token: "good", Patience: patience})
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	old, fresh := filepath.Join(o.dir, ".new-1"), filepath.Join(o.dir, ".new-2")
	for _, path := range []string{old, fresh, filepath.Join(o.dir, "README")} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Now(), time.Now().Add(-2*abandoned)); err != nil {
		t.Fatal(err)
	}
	if err := o.keep(event{at: time.Now(), id: "x", size: 5}.name(), event{size: 5}, []byte("whole"), nil); err != nil {
		t.Fatal(err)
	}
	deliver(t, o)
	left, err := filepath.Glob(filepath.Join(o.dir, ".new-*"))
	if !strings.HasPrefix(s.got(), "whole {") || !strings.Contains(s.got(), "1 events of this machine are lost") || err != nil || len(left) != 1 || left[0] != fresh {
		t.Errorf("%q, %v, %v", s.got(), left, err)
	}
}
