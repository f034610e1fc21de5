package worklog_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/worklogdev/worklog/worklog"
)

// A proxy before the server often takes less than the server.
func TestABatchThatIsTooLargeForAProxyIsSentInParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []worklog.Draft
		rec := recorder(&got)
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			if len(body) > 100<<10 {
				return answer(413, "<html>Request Entity Too Large</html>")
			}
			return rec(r, body)
		}).client(worklog.WithBuffer(1000))
		for i := range 401 {
			d := worklog.Draft{Title: fmt.Sprint(i), Details: strings.Repeat("x", 1<<10)}
			if i == 200 {
				d.Details = strings.Repeat("x", 200<<10)
			}
			if err := c.Log(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := c.Buffered()
		if s.Stored != 400 || s.Dropped != 1 || worklog.CodeOf(s.Err) != worklog.CodeTooLarge || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
		_ = c.Close(t.Context())
		last := -1
		for _, d := range got {
			var i int
			if _, err := fmt.Sscan(d.Title, &i); err != nil || i <= last {
				t.Fatalf("%s came after %d", d.Title, last)
			}
			last = i
		}
	})
}
