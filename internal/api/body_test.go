package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

func contextOf(r *http.Request) echo.Context {
	return echo.New().NewContext(r, httptest.NewRecorder())
}

func TestLargeBodiesShareABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := New(Deps{})
		var releases []func()
		var err error
		start := time.Now()
		for err == nil {
			var release func()
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.ContentLength = -1 // nobody knows how long it gets
			if release, err = a.reserve(contextOf(r)); err == nil {
				releases = append(releases, release)
			}
		}
		if worklog.CodeOf(err) != worklog.CodeUnavailable || len(releases) != maxLargeBytes/maxBody || time.Since(start) != largeWait {
			t.Errorf("%d at once, then %v after %v", len(releases), err, time.Since(start))
		}
		small := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		if _, err := a.reserve(contextOf(small)); err != nil {
			t.Errorf("a small body: %v", err)
		}
		for _, release := range releases {
			release()
		}
		large := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, maxBody)))
		if _, err := a.reserve(contextOf(large)); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
	})
}

func TestABodyThatEndsTooEarlyIsMalformed(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", brokenReader{})
	if _, err := readBody(r, new(bytes.Buffer)); worklog.CodeOf(err) != worklog.CodeMalformed {
		t.Errorf("JSON: %v", err)
	}
	err := lines(brokenReader{}, new(bytes.Buffer), func(int, []byte) error { return nil })
	if worklog.CodeOf(err) != worklog.CodeMalformed {
		t.Errorf("NDJSON: %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

func TestLargeBuffersAreNotKept(t *testing.T) {
	t.Parallel()
	a := New(Deps{})
	a.putBuffer(bytes.NewBuffer(make([]byte, 0, keepBuffer+1)))
	for range 100 {
		if buf := a.buffers.Get().(*bytes.Buffer); buf.Cap() > keepBuffer || buf.Len() > 0 {
			t.Fatalf("a buffer of %d bytes came back", buf.Cap())
		}
	}
}
