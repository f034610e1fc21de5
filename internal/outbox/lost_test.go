package outbox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A hook is a process that may end at any moment while a server hangs. What it leaves on the disk then must be the event.
func TestAHookThatIsKilledWhileTheServerHangsLosesNothing(t *testing.T) {
	t.Parallel()
	dir, left := t.TempDir(), filepath.Join(t.TempDir(), "left")
	var hangs atomic.Bool
	hangs.Store(true)
	s := newServer(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hangs.Load() {
			s.Config.Handler.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that the hook has given up
		for {                              // until the event is there, or the hook has given up
			if found, _ := filepath.Glob(filepath.Join(dir, "*", tryPrefix+"*")); len(found) > 0 {
				break
			}
			select {
			case <-r.Context().Done():
				t.Error("the event was on no disk while the server was asked")
				return
			case <-time.After(time.Millisecond):
			}
		}
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusGatewayTimeout)
	}))
	defer front.Close()
	began := time.Now()
	at := func(passed time.Duration) func() time.Time {
		return func() time.Time { return began.Add(passed) }
	}
	o := New(Options{Dir: dir, URL: front.URL, Token: "good", Patience: patience, Now: at(0)})
	o.soon = answerSoon
	hand(t, o, "event")
	if here, err := o.waiting(); len(here) != 1 || err != nil {
		t.Errorf("%v, %v", here, err)
	}
	hangs.Store(false)
	early := New(Options{Dir: left, URL: front.URL, Token: "good", Now: at(0)})
	if r := deliver(t, early); r.Delivered != 0 {
		t.Errorf("%+v: a hook is still at it", r)
	}
	later := New(Options{Dir: left, URL: front.URL, Token: "good", Patience: patience, Now: at(2 * tryTimeout)})
	hand(t, later, "next") // behind it
	if r := deliver(t, later); r.Delivered != 2 || s.got() != "event next" {
		t.Errorf("%+v, %q", r, s.got())
	}
}

func TestAServerThatAnswersLateLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), t.TempDir()
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for kept := false; !kept && r.Context().Err() == nil; time.Sleep(time.Millisecond) {
			found, _ := filepath.Glob(filepath.Join(dir, "*", tryPrefix+"*"))
			kept = len(found) > 0
		}
		s.Config.Handler.ServeHTTP(w, r)
	}))
	defer late.Close()
	o := New(Options{Dir: dir, URL: late.URL, Token: "good", Patience: patience, Deliver: func() error { return errors.New("nothing waits") }})
	o.soon = answerSoon
	if err := o.Hand(t.Context(), []byte("event")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(o.dir); err != nil || len(left) != 0 || s.got() != "event" {
		t.Errorf("%v, %v, %q", left, err, s.got())
	}
}

// answers answers as a function says, in no time.
type answers func(body string) int

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status := f(string(raw))
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// boxOf is an outbox with events that wait, and a server that is nothing but a function.
func boxOf(t *testing.T, server answers, events ...string) *Outbox {
	t.Helper()
	o := New(Options{Dir: t.TempDir(), URL: "http://server", Token: "good", Client: &http.Client{Transport: server}})
	for i, raw := range events {
		e := event{at: time.Unix(int64(i), 0), id: "x", size: int64(len(raw))}
		if err := o.keep(e.name(), e, []byte(raw), nil); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestAnEventThatTheServerFailsAtLetsTheOthersPassAndIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []string
		tries := 0
		o := boxOf(t, func(body string) int {
			if strings.HasPrefix(body, "bad") {
				tries++
				return http.StatusInternalServerError
			}
			got = append(got, body)
			return http.StatusNoContent
		}, "a", "bad", "bad too", "b", "c")
		r, err := o.Deliver(t.Context(), true)
		if err != nil || r.Delivered != 3 || r.GivenUp != 2 || tries != maxFailures+fewFailures {
			t.Errorf("%+v, %v, %d tries", r, err, tries)
		}
		if len(got) != 4 || got[1] != "b" || got[2] != "c" || !strings.Contains(got[3], "2 events of this machine are lost") {
			t.Errorf("%q", got)
		}
	})
}

func TestAServerThatFailsAtEverythingLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusInternalServerError
		o := boxOf(t, func(string) int { return status }, "a", "b", "c")
		r, err := o.Deliver(t.Context(), true)
		if !errors.Is(err, errFailed) || r.Waiting != 3 || r.GivenUp != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		status = http.StatusNoContent
		if r, err = o.Deliver(t.Context(), true); err != nil || r.Delivered != 3 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
