package worklog_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestABufferCountsTheMetadataOfItsDrafts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c := dead.client(worklog.WithBuffer(100_000), worklog.WithTimeout(time.Second))
		many := make([]any, 20_000)
		for i := range many {
			many[i] = i % 10
		}
		for _, tc := range []struct {
			m          worklog.Metadata
			give, most int
		}{{worklog.Metadata{"a": strings.Repeat("x", 60_000)}, 700, 560}, {worklog.Metadata{"a": many}, 60, 40}} {
			taken := 0
			for range tc.give {
				if c.Log(t.Context(), worklog.Draft{Title: "x", Metadata: tc.m}) == nil {
					taken++
				}
			}
			if taken > tc.most {
				t.Errorf("%d drafts were taken, want %d at most", taken, tc.most)
			}
			_ = c.Close(t.Context())
			c = dead.client(worklog.WithBuffer(100_000), worklog.WithTimeout(time.Second))
		}
		_ = c.Close(t.Context())
	})
}

// What the server would refuse is refused in its words, before it takes room or a way.
func TestMetadataThatIsTooMuchIsRefusedInTheWordsOfTheServer(t *testing.T) {
	t.Parallel()
	loop, twice, list := map[string]any{}, map[string]any{}, make([]any, 2)
	loop["a"] = loop
	twice["a"], twice["b"] = twice, twice
	list[0], list[1] = list, list
	keys := map[string]any{}
	for i := range 1001 {
		keys[fmt.Sprint(i)] = 1
	}
	deep := any("end")
	for range worklog.MaxMetadataDepth {
		deep = []any{deep}
	}
	for name, m := range map[string]worklog.Metadata{
		"one byte too many": {"a": strings.Repeat("x", worklog.MaxMetadataBytes-7)}, "far too many": {"a": strings.Repeat("x", 10<<20), "b": 1},
		"escapes": {"a": strings.Repeat("\"", 40<<10)}, "a struct": {"a": struct{ B string }{strings.Repeat("x", 70_000)}},
		"too many keys": keys, "too deep": {"a": deep}, "no number": {"a": math.NaN()}, "smaller than any": {"a": 5e-324},
		"itself": loop, "itself twice": twice, "a list of itself": {"a": list},
	} {
		d := worklog.Draft{Title: "x", Metadata: m}
		itself := strings.Contains(name, "itself")
		if !itself {
			d.Normalize()
		}
		want := d.Validate(time.Now())
		for kind, options := range map[string][]worklog.Option{"buffer": {worklog.WithBuffer(9)}, "no buffer": nil} {
			c := wire(func(*http.Request, []byte) (*http.Response, error) { return answer(401, `{"code":"unauthorized"}`) }).client(options...)
			got := c.Log(t.Context(), worklog.Draft{Title: "x", Metadata: m})
			if e, ok := got.(*worklog.Error); !ok || e.Code != worklog.CodeInvalid || len(e.Fields) == 0 || !strings.HasPrefix(e.Fields[0].Field, "metadata") {
				t.Errorf("%s, %s: %v", name, kind, got)
			} else if !itself && name != "a struct" && name != "too deep" && got.Error() != want.Error() {
				t.Errorf("%s, %s: %v, the server says %v", name, kind, got, want)
			}
			if s := c.Buffered(); kind == "buffer" && (s.Dropped != 1 || s.Err == nil || s.Queued != 0) {
				t.Errorf("%s: %+v", name, s)
			}
			_ = c.Close(t.Context())
		}
	}
}

func TestMetadataAtItsBoundsArrives(t *testing.T) {
	t.Parallel()
	deep := any("end")
	for range worklog.MaxMetadataDepth - 1 {
		deep = map[string]any{"a": deep}
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)
	for name, m := range map[string]worklog.Metadata{
		"size": {"a": strings.Repeat("<", worklog.MaxMetadataBytes-8)}, "depth": {"a": deep}, "no text": {"a\x00": strings.Repeat("\xff.", 16_000)},
		"kinds": {"time": at, "ints": []any{int8(1), uint64(math.MaxUint64), float32(0.5)}, "struct": struct{ A []string }{[]string{"<b>"}}, "nil": nil, "bytes": []byte("x")},
	} {
		for kind, options := range map[string][]worklog.Option{"buffer": {worklog.WithBuffer(9)}, "no buffer": nil} {
			var got []worklog.Draft
			c := recorder(&got).client(options...)
			if err := c.Log(t.Context(), worklog.Draft{Title: "x", Metadata: m}); err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if err := c.Close(t.Context()); err != nil || len(got) != 1 {
				t.Fatalf("%s, %s: %d arrived, %v", name, kind, len(got), err)
			}
			if got[0].Normalize(); got[0].Validate(time.Now()) != nil {
				t.Errorf("%s, %s: the server says %v", name, kind, got[0].Validate(time.Now()))
			}
			if name == "kinds" {
				text, _ := got[0].Metadata.AppendJSON(nil)
				want := `{"bytes":"eA==","ints":[1,18446744073709551615,0.5],"nil":null,"struct":{"A":["<b>"]},"time":"2026-11-22T12:00:00.000000005Z"}`
				if !bytes.Equal(text, []byte(want)) {
					t.Errorf("%s: %s", kind, text)
				}
			}
		}
	}
}

// A step whose facts are too large must not read them while their program goes on with them.
func TestAFactThatIsTooLargeIsNotShared(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client()
	s := c.Start(t.Context(), worklog.Draft{Title: "x"})
	large := map[string]any{"a": strings.Repeat("x", 70_000), "b": map[string]any{"c": 1}}
	s.Set("large", large)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 1000 {
			large["b"].(map[string]any)["c"] = i
		}
	}()
	if err := s.Done(t.Context()); worklog.CodeOf(err) != worklog.CodeInvalid || !strings.Contains(err.Error(), "65536") {
		t.Errorf("%v", err)
	}
	<-done
	if len(got) != 1 || !reflect.DeepEqual(got[0].Metadata, worklog.Metadata(nil)) {
		t.Errorf("%+v", got)
	}
}
