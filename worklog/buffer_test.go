package worklog_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestABufferSendsInOrderAndInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var titles []string
		requests := 0
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			requests++
			for line := range bytes.Lines(body) {
				d, _ := worklog.DecodeDraft(line)
				titles = append(titles, d.Title)
			}
			time.Sleep(100 * time.Millisecond) // the network
			return stored(r, body)
		}).client(worklog.WithBuffer(5000))
		for i := range 1001 {
			if err := c.Info(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := c.Buffered()
		if s.Stored != 1001 || s.Queued != 0 || s.Dropped != 0 || requests > 4 {
			t.Errorf("%+v after %d requests", s, requests)
		}
		for i, title := range titles {
			if title != fmt.Sprint(i) {
				t.Fatalf("%d came as number %d", i, i)
			}
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatFindsNoRoomIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			if !back.Load() {
				return answer(503, `{"code":"unavailable"}`)
			}
			return stored(r, body)
		}).client(worklog.WithBuffer(3))
		refused := 0
		for range 10 {
			if c.Info(t.Context(), "x") != nil {
				refused++
			}
		}
		if s := c.Buffered(); refused != 7 || s.Dropped != 7 || s.Queued != 3 || s.Err == nil {
			t.Errorf("%d refused, %+v", refused, s)
		}
		time.Sleep(time.Minute) // far beyond the timeout of a call
		back.Store(true)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := c.Buffered(); s.Stored != 3 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
		if err := c.Info(t.Context(), "late"); err == nil {
			t.Error("a closed client took a draft")
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestABufferIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}).client(worklog.WithBuffer(100_000), worklog.WithTimeout(time.Second))
		taken := 0
		details := strings.Repeat("x", worklog.MaxDetailsBytes)
		for range 300 {
			if c.Log(t.Context(), worklog.Draft{Title: "x", Details: details}) == nil {
				taken++
			}
		}
		if taken == 0 || taken > 128 {
			t.Errorf("%d drafts of 256 KiB were taken", taken)
		}
		if err := c.Close(t.Context()); err == nil || c.Buffered().Dropped != 300 {
			t.Errorf("%v, %+v", err, c.Buffered())
		}
	})
}

func TestABatchThatTheServerRefusesDoesNotStopTheBuffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			if broken.Load() {
				return answer(401, `{"code":"unauthorized","detail":"sign in"}`)
			}
			return stored(r, body)
		}).client(worklog.WithBuffer(10))
		_ = c.Info(t.Context(), "lost")
		synctest.Wait()
		broken.Store(false)
		_ = c.Info(t.Context(), "kept")
		synctest.Wait()
		if s := c.Buffered(); s.Dropped != 1 || s.Stored != 1 || worklog.CodeOf(s.Err) != worklog.CodeUnauthorized {
			t.Errorf("%+v", s)
		}
		_ = c.Close(t.Context())
	})
}

func TestADraftThatWaitedSaysWhenItWasLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []worklog.Draft
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			for line := range bytes.Lines(body) {
				d, _ := worklog.DecodeDraft(line)
				got = append(got, d)
			}
			time.Sleep(5 * time.Second)
			return stored(r, body)
		}).client(worklog.WithBuffer(10))
		_ = c.Info(t.Context(), "at once")
		synctest.Wait()
		_ = c.Info(t.Context(), "later")
		_ = c.Close(t.Context())
		if got[0].LoggedAt != nil || got[1].LoggedAt == nil || !got[1].LoggedAt.Equal(start) {
			t.Errorf("logged at %v and %v, want nothing and %v", got[0].LoggedAt, got[1].LoggedAt, start)
		}
	})
}

func TestABatchThatMeetsAnOutageKeepsTheTimesOfItsDrafts(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{"shorter than a call": 5 * time.Second, "longer": time.Hour} {
		for kind, options := range map[string][]worklog.Option{"keys": nil, "no keys": {worklog.WithoutKeys()}} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []worklog.Draft
				rec := recorder(&got)
				c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
					if time.Since(start) < away {
						return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
					}
					return rec(r, body)
				}).client(append(options, worklog.WithBuffer(10))...)
				mine := start.Add(-time.Minute)
				_ = c.Info(t.Context(), "on its way")
				synctest.Wait()
				_ = c.Log(t.Context(), worklog.Draft{Title: "told", LoggedAt: &mine})
				time.Sleep(2 * time.Hour)
				_ = c.Close(t.Context())
				if len(got) != 2 || got[0].LoggedAt == nil || !got[0].LoggedAt.Equal(start) || got[1].LoggedAt == nil || !got[1].LoggedAt.Equal(mine) {
					t.Errorf("%s, %s: %+v arrived, %+v", name, kind, got, c.Buffered())
				}
			})
		}
	}
}
