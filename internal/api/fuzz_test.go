package api

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

func FuzzLinesAreReadAsTheyStand(f *testing.F) {
	f.Add([]byte("{\"title\":\"a\"}\r\n\n  {}\n\x00\nlast"), uint8(1))
	f.Add([]byte("\n\n"), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, piece uint8) {
		var want []string
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				want = append(want, string(line))
			}
		}
		var r io.Reader = bytes.NewReader(body)
		if piece%2 == 1 {
			r = iotest.OneByteReader(r)
		}
		var got []string
		err := lines(r, new(bytes.Buffer), func(i int, raw []byte) error {
			if i != len(got) {
				t.Fatalf("line %d has number %d", len(got), i)
			}
			got = append(got, string(raw))
			return nil
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q: %q, %v", body, got, err)
		}
	})
}

func FuzzEveryDraftOfABodyHasOneReceipt(f *testing.F) {
	f.Add([]byte(`[{"title":"a"},7,{"titel":1}]`))
	f.Add([]byte(`{"title":"a","logged_at":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var sub submission
		if err := sub.addJSON(body, time.Unix(0, 0)); err != nil {
			if code := worklog.CodeOf(err); code != worklog.CodeMalformed && code != worklog.CodeTooLarge {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if len(sub.index) != len(sub.drafts) || (!sub.many && len(sub.receipts) != 1) {
			t.Fatalf("%q: %+v", body, sub)
		}
		invalid := 0
		for _, r := range sub.receipts {
			if r.Outcome == worklog.OutcomeInvalid {
				if invalid++; len(r.Errors) == 0 {
					t.Fatalf("%q: refused without a reason", body)
				}
			}
		}
		if invalid+len(sub.drafts) != len(sub.receipts) {
			t.Fatalf("%q: %d refused, %d drafts, %d receipts", body, invalid, len(sub.drafts), len(sub.receipts))
		}
	})
}

func FuzzParametersAreReadOrRefused(f *testing.F) {
	for _, q := range []string{"before=1&limit=7&q=a", "after=-1", "before=%zz", "since=2026-01-01T00:00:00Z&type=info", "q=%00;x", "limit=+5"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = raw
		p := query(echo.New().NewContext(r, nil), "before", "after", "limit", "q", "since", "type", "status", "source", "unfiled")
		before, limit := p.number("before", 1, math.MaxInt64, 0), p.number("limit", 1, 200, 50)
		filter := p.filter()
		since := p.time("since")
		_ = p.flag("unfiled")
		if p.err != nil {
			if e, ok := p.err.(*worklog.Error); !ok || e.Code != worklog.CodeMalformed || len(e.Error()) > 1000 {
				t.Fatalf("%q: %v", raw, p.err)
			}
			return
		}
		if before < 0 || limit < 1 || limit > 200 || len(filter.Query) > 4*maxText || since.Year() > 9999 || strings.ContainsRune(filter.Query, 0) {
			t.Fatalf("%q: %d %d %+v %v", raw, before, limit, filter, since)
		}
		if values, err := url.ParseQuery(raw); err != nil || (values.Has("before") && fmt.Sprint(before) != strings.TrimLeft(values.Get("before"), "+0")) {
			t.Fatalf("%q: before %d", raw, before)
		}
	})
}

func FuzzObjectsAreReadOrRefused(f *testing.F) {
	for _, s := range []string{`{"title":"x","keep":true}`, `{"title":null,"title":1}`, `{"a":{"b":[1,2]},"keep":[]} x`, `[]`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var title *string
		var keep *bool
		var m worklog.Metadata
		err := decodeObject(raw, []member{{"title", &title}, {"keep", &keep}, {"metadata", &m}})
		if code := worklog.CodeOf(err); code != "" && code != worklog.CodeMalformed && code != worklog.CodeInvalid {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
