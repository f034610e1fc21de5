package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/worklogdev/worklog/worklog"
)

func TestAnAgentsBodyTakesAShareOfWhatHasArrived(t *testing.T) {
	t.Parallel()
	packed := func(n int) io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	for name, c := range map[string]struct {
		body     io.Reader
		encoding string
		most     int64 // of the shared bytes
		bytes    int
		code     worklog.Code
	}{
		"small":              {bytes.NewReader(make([]byte, smallBody)), "", 0, smallBody, ""},
		"known":              {bytes.NewReader(make([]byte, smallBody+1)), "", smallBody + 1, smallBody + 1, ""},
		"chunked":            {io.MultiReader(bytes.NewReader(make([]byte, 70<<10))), "", bodyGrowth * smallBody, 70 << 10, ""},
		"compressed":         {packed(1 << 20), "gzip", 1 << 20, 1 << 20, ""},
		"as large as may be": {packed(maxAgentBody), "gzip", maxAgentBody, maxAgentBody, ""},
		"too large":          {packed(maxAgentBody + 1), "gzip", maxAgentBody, 0, ""},
		"of unknown length":  {io.MultiReader(bytes.NewReader(make([]byte, 3<<20))), "", 4 << 20, 3 << 20, ""},
	} {
		a := &API{large: semaphore.NewWeighted(maxLargeBytes)}
		r := httptest.NewRequest(http.MethodPost, "/", c.body)
		r.Header.Set("Content-Encoding", c.encoding)
		raw, release, err := a.readAgentBody(contextOf(r), new(bytes.Buffer))
		if name == "too large" {
			if err == nil || !a.large.TryAcquire(maxLargeBytes) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(raw) != c.bytes || !a.large.TryAcquire(maxLargeBytes-c.most) {
			t.Errorf("%s: %d bytes, %v, or it holds more than %d", name, len(raw), err, c.most)
			continue
		}
		if release(); !a.large.TryAcquire(c.most) {
			t.Errorf("%s: its share is not given back", name)
		}
	}
}

// stalled is a body that comes no further.
type stalled struct{ wait <-chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	<-s.wait
	return 0, io.EOF
}

func TestManySlowBodiesOfAgentsLeaveRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, over := &API{large: semaphore.NewWeighted(maxLargeBytes)}, make(chan struct{})
		errs := make(chan error)
		take := func(body io.Reader) {
			_, release, err := a.readAgentBody(contextOf(httptest.NewRequest(http.MethodPost, "/", body)), new(bytes.Buffer))
			if err == nil {
				release()
			}
			errs <- err
		}
		for range 100 {
			go take(io.MultiReader(bytes.NewReader(make([]byte, 70<<10)), stalled{over}))
		}
		synctest.Wait()
		begin := time.Now()
		go take(bytes.NewReader(make([]byte, 1<<20)))
		if err := <-errs; err != nil || time.Since(begin) > 0 {
			t.Error(fmt.Sprint(err), time.Since(begin))
		}
		close(over)
		for range 100 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
