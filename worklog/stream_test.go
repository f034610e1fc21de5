package worklog_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// eventStream answers with body as an event stream.
func eventStream(body io.ReadCloser) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
}

func events(revs ...int) string {
	var b strings.Builder
	for _, r := range revs {
		fmt.Fprintf(&b, "event: entry\nid: %d\ndata: {\"id\":\"e%d\",\"rev\":%d,\"title\":\"t\"}\n\n", r, r, r)
	}
	return b.String()
}

func TestABrokenStreamResumesWhereItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		answers := []string{
			": hello\n\n" + events(1, 2) + "event: entry\nid: 3\ndata: {\"rev\":3",       // cut in the middle of an event
			events(2, 3) + "event: ping\nid: 9\ndata: 1\n\n",                             // repeats one, skips over others
			"event: made-up\ndata: x\n\n" + strings.ReplaceAll(events(10), "\n", "\r\n"), // CRLF, too
		}
		c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
			asked = append(asked, r.URL.Query().Get("after")+"/"+r.Header.Get("Last-Event-ID"))
			if n := len(asked); n <= len(answers) {
				return eventStream(io.NopCloser(strings.NewReader(answers[n-1])))
			}
			return answer(404, `{"code":"not_found","detail":"no such conversation"}`)
		}).client()
		var revs []int64
		var last error
		broken := 0
		q := worklog.StreamQuery{Conversation: "c", Retrying: func(error, time.Duration) { broken++ }}
		for e, err := range c.Stream(t.Context(), q) {
			if last = err; err == nil {
				revs = append(revs, e.Rev)
			}
		}
		if fmt.Sprint(revs) != "[1 2 3 10]" || worklog.CodeOf(last) != worklog.CodeNotFound || broken != 3 {
			t.Errorf("revs %v, %v, broken %d times", revs, last, broken)
		}
		if want := "[0/ 2/2 9/9 10/10]"; fmt.Sprint(asked) != want {
			t.Errorf("asked for %v, want %s", asked, want)
		}
	})
}

func TestASilentStreamIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
			pr, pw := io.Pipe()
			context.AfterFunc(r.Context(), func() { _ = pw.CloseWithError(r.Context().Err()) })
			if attempts++; attempts == 2 {
				go func() { _, _ = io.WriteString(pw, events(5)) }()
			}
			return eventStream(pr)
		}).client()
		start := time.Now()
		for e, err := range c.Stream(t.Context(), worklog.StreamQuery{}) {
			if err != nil || e.Rev != 5 {
				t.Fatalf("%+v, %v", e, err)
			}
			break
		}
		if took := time.Since(start); attempts != 2 || took < 20*time.Second || took > 2*time.Minute {
			t.Errorf("%d attempts in %v", attempts, took)
		}
	})
}

func TestTheEndOfTheContextEndsAStreamSilently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := wire(func(*http.Request, []byte) (*http.Response, error) { return answer(503, `{"code":"unavailable"}`) }).client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for _, err := range c.Stream(ctx, worklog.StreamQuery{}) {
			t.Errorf("yielded %v", err)
		}
		if ctx.Err() == nil {
			t.Error("a server that is away ended the stream")
		}
	})
}

func TestAStreamFromNowSkipsWhatExists(t *testing.T) {
	t.Parallel()
	c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/logs") && r.URL.Query().Get("limit") == "1":
			return answer(200, `{"entries":[],"cursor":41}`)
		case r.URL.Query().Get("after") == "41":
			return eventStream(io.NopCloser(strings.NewReader(events(42))))
		}
		return answer(400, `{}`)
	}).client()
	for e, err := range c.Stream(t.Context(), worklog.StreamQuery{After: worklog.FromNow}) {
		if err != nil || e.Rev != 42 {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
}

func TestAStreamThatMakesNoSenseEnds(t *testing.T) {
	t.Parallel()
	huge := "event: entry\n" + strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 6) + "\n"
	for body, code := range map[string]worklog.Code{
		"event: entry\nid: 1\ndata: [1]\n\n": worklog.CodeMalformed, huge: worklog.CodeMalformed, "data: " + strings.Repeat("x", 5<<20): worklog.CodeMalformed,
		"event: bye\ndata: gone\n\n": worklog.CodeNotFound, "event: bye\ndata: signed-out\n\n": worklog.CodeUnauthorized, "event: bye\ndata: other\n\n": worklog.CodeForbidden,
	} {
		c := wire(func(*http.Request, []byte) (*http.Response, error) {
			return eventStream(io.NopCloser(strings.NewReader(body)))
		}).client()
		n := 0
		for _, err := range c.Stream(t.Context(), worklog.StreamQuery{}) {
			if n++; worklog.CodeOf(err) != code {
				t.Errorf("%.40q: %v, want %s", body, err, code)
			}
		}
		if n != 1 {
			t.Errorf("%.40q: yielded %d times", body, n)
		}
	}
}

// The server ends every stream once an hour.
func TestARenewedStreamIsBackAtOnceHoweverQuietItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := wire(func(*http.Request, []byte) (*http.Response, error) {
			pr, pw := io.Pipe()
			go func() {
				for range 180 {
					time.Sleep(20 * time.Second)
					if _, err := io.WriteString(pw, "event: ping\ndata:\n\n"); err != nil {
						return
					}
				}
				_ = pw.Close()
			}()
			return eventStream(pr)
		}).client()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Hour+30*time.Minute)
		defer cancel()
		hours := 0
		q := worklog.StreamQuery{Retrying: func(_ error, pause time.Duration) {
			if hours++; pause > time.Second {
				t.Errorf("after hour %d it was away for %v", hours, pause)
			}
		}}
		for _, err := range c.Stream(ctx, q) {
			t.Error(err)
		}
		if hours != 12 {
			t.Errorf("renewed %d times in 12 hours", hours)
		}
	})
}

// One that ends as soon as it has begun is none that was well.
func TestAStreamThatEndsAtOnceIsAskedForLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := wire(func(*http.Request, []byte) (*http.Response, error) {
			asked++
			return eventStream(io.NopCloser(strings.NewReader("event: ping\ndata:\n\n")))
		}).client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for _, err := range c.Stream(ctx, worklog.StreamQuery{}) {
			t.Error(err)
		}
		if asked > 1500 { // a pause is 2.5 s and more
			t.Errorf("asked %d times in an hour", asked)
		}
	})
}
