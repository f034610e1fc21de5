package worklog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// wire is a network without sockets, so that synctest can move its clock: it answers requests one after another.
type wire func(r *http.Request, body []byte) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil { // a redirect may have taken it
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	res, err := f(r, body)
	if res != nil {
		res.Request = r
	}
	return res, err
}

func (f wire) client(options ...worklog.Option) *worklog.Client {
	return worklog.New("http://worklog.test/base/", "wlg_secret", append(options, worklog.WithHTTPClient(&http.Client{Transport: f}))...)
}

func answer(status int, body string, headers ...string) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// stored answers every draft of a request with a receipt that echoes its title and key.
func stored(r *http.Request, body []byte) (*http.Response, error) {
	var receipts []worklog.Receipt
	for line := range bytes.Lines(body) {
		d, err := worklog.DecodeDraft(line)
		if err != nil {
			return answer(400, fmt.Sprintf(`{"code":"malformed","detail":%q}`, err))
		}
		receipts = append(receipts, worklog.Receipt{Outcome: worklog.OutcomeStored, Entry: &worklog.Entry{Title: d.Title, Key: d.Key, Status: d.Status}})
	}
	var out any = map[string]any{"receipts": receipts}
	status := 200
	if r.Header.Get("Content-Type") == "application/json" {
		out, status = receipts[0], 201
	}
	b, _ := json.Marshal(out)
	return answer(status, string(b))
}

func TestADraftIsSentAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			d, err := worklog.DecodeDraft(body)
			if err != nil || r.URL.Path != "/base/api/v1/logs" || r.Header.Get("Authorization") != "Bearer wlg_secret" {
				t.Errorf("%v in %s to %s", err, body, r.URL)
			}
			switch keys = append(keys, d.Key); len(keys) {
			case 1:
				return nil, errors.New("connection reset by peer")
			case 2:
				return answer(503, `{"code":"unavailable"}`, "Retry-After", "3")
			case 3:
				return answer(502, "<html>bad gateway")
			}
			return stored(r, body)
		}).client(worklog.WithSource("test"))
		start := time.Now()
		receipts, err := c.Append(t.Context(), worklog.Draft{Title: "x"})
		if err != nil || receipts[0].Outcome != worklog.OutcomeStored || len(keys) != 4 {
			t.Fatalf("%v, %v after %d tries", receipts, err, len(keys))
		}
		if keys[0] == "" || strings.Join(keys, "") != strings.Repeat(keys[0], 4) {
			t.Errorf("keys %q", keys)
		}
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("Retry-After was not waited for: %v", took)
		}
	})
}

func TestNoCallTakesLongerThanItsTimeout(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request, _ []byte) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	busy := func(*http.Request, []byte) (*http.Response, error) {
		return answer(429, `{"code":"rate_limited","detail":"slow down","request_id":"r1"}`, "Retry-After", "3600")
	}
	for name, f := range map[string]wire{"hang": hang, "busy": busy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := f.client(worklog.WithTimeout(2*time.Second), worklog.WithBuffer(10))
				start := time.Now()
				_, err := c.Append(t.Context(), make([]worklog.Draft, 2000)...)
				if took := time.Since(start); err == nil || took > 2*time.Second {
					t.Errorf("Append: %v after %v", err, took)
				}
				if e, ok := errors.AsType[*worklog.Error](err); name == "busy" && (!ok || e.RetryAfter != time.Hour || e.RequestID != "r1") {
					t.Errorf("the server's answer is lost: %#v", err)
				}
				start = time.Now()
				if err := c.Log(t.Context(), worklog.Draft{Title: "x"}); err != nil || time.Since(start) > 0 {
					t.Errorf("a buffered Log took %v: %v", time.Since(start), err)
				}
				if err := c.Close(t.Context()); err == nil || time.Since(start) > 2*time.Second {
					t.Errorf("Close: %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestWithoutAKeyOnlyWhatNeverArrivedIsSentAgain(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		fail  func() (*http.Response, error)
		tries int
	}{
		"refused":  {func() (*http.Response, error) { return nil, dial }, 2},
		"too fast": {func() (*http.Response, error) { return answer(429, `{"code":"rate_limited"}`) }, 2},
		"broken":   {func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, 1},
		"away":     {func() (*http.Response, error) { return answer(503, `{"code":"unavailable"}`) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				client := wire(func(r *http.Request, body []byte) (*http.Response, error) {
					if tries++; tries == 1 {
						return c.fail()
					}
					return stored(r, body)
				}).client(worklog.WithoutKeys())
				receipts, err := client.Append(t.Context(), worklog.Draft{Title: "x"})
				if tries != c.tries || (err == nil) != (c.tries == 2) {
					t.Errorf("%d tries, %v", tries, err)
				}
				if err == nil && receipts[0].Entry.Key != "" {
					t.Error("the draft got a key")
				}
			})
		})
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

func TestReceiptsAreInTheOrderOfTheirDrafts(t *testing.T) {
	t.Parallel()
	requests := 0
	c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
		if requests++; len(body) > 8<<20 || bytes.Count(body, []byte("\n")) > 1000 {
			t.Errorf("request of %d bytes", len(body))
		}
		return stored(r, body)
	}).client()
	drafts := make([]worklog.Draft, 2500)
	for i := range drafts {
		drafts[i].Title = fmt.Sprint(i)
		drafts[i].Details = strings.Repeat("x", 5000)
	}
	drafts[7].Metadata = worklog.Metadata{"f": func() {}}
	drafts[8].Metadata = worklog.Metadata{"x": explosive{}}
	drafts[9].Metadata = worklog.Metadata{"x": strings.Repeat("x", 3<<20)}
	receipts, err := c.Append(t.Context(), drafts...)
	if err != nil || len(receipts) != len(drafts) || requests < 3 {
		t.Fatalf("%d receipts of %d requests, %v", len(receipts), requests, err)
	}
	for i, r := range receipts {
		if i >= 7 && i <= 9 {
			if r.Outcome != worklog.OutcomeInvalid || len(r.Errors) != 1 || r.Errors[0].Field != "metadata" {
				t.Errorf("draft %d: %+v", i, r)
			}
		} else if r.Outcome != worklog.OutcomeStored || r.Entry.Title != drafts[i].Title {
			t.Fatalf("draft %d: %+v", i, r)
		}
	}
	if drafts[0].Key != "" {
		t.Error("the caller's drafts were changed")
	}
}

func TestOnlyWhenEveryDraftIsInvalidThereIsAnError(t *testing.T) {
	t.Parallel()
	refused := `{"code":"invalid","detail":"every draft is invalid","errors":[{"field":"0.title","message":"is required"}],` +
		`"receipts":[{"outcome":"invalid","entry":null,"errors":[{"field":"0.title","message":"is required"}]},{"outcome":"invalid","entry":null,"errors":[{"field":"1","message":"must be a JSON object"}]}]}`
	mixed := `{"receipts":[{"outcome":"invalid","entry":null,"errors":[{"field":"0.a.b","message":"m"}]},{"outcome":"limited","entry":{"id":null},"retry_after":7}]}`
	for _, x := range []struct {
		status int
		body   string
		drafts int
		code   worklog.Code
		fields string
	}{
		{422, `{"code":"invalid","detail":"invalid draft","errors":[{"field":"title","message":"is required"}]}`, 1, worklog.CodeInvalid, "title"},
		{422, refused, 2, worklog.CodeInvalid, "title,"},
		{200, mixed, 2, "", "a.b"},
	} {
		c := wire(func(*http.Request, []byte) (*http.Response, error) { return answer(x.status, x.body) }).client()
		receipts, err := c.Append(t.Context(), make([]worklog.Draft, x.drafts)...)
		if worklog.CodeOf(err) != x.code || len(receipts) != x.drafts {
			t.Fatalf("%s: %v, %v", x.body, receipts, err)
		}
		var fields []string
		for _, r := range receipts {
			for _, f := range r.Errors {
				fields = append(fields, f.Field)
			}
		}
		if got := strings.Join(fields, ","); got != x.fields {
			t.Errorf("%s: fields %q, want %q", x.body, got, x.fields)
		}
	}
}

func TestWhatACallerCanNotMendIsNotRetried(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]worklog.Code{
		400: worklog.CodeMalformed, 401: worklog.CodeUnauthorized, 403: worklog.CodeForbidden, 404: worklog.CodeNotFound,
		405: worklog.CodeMethod, 409: worklog.CodeConflict, 413: worklog.CodeTooLarge, 415: worklog.CodeMediaType, 422: worklog.CodeInvalid, 500: worklog.CodeInternal,
	} {
		tries := 0
		c := wire(func(*http.Request, []byte) (*http.Response, error) {
			tries++
			return answer(status, "<html>", "X-Request-Id", "abc")
		}).client()
		_, err := c.Append(t.Context(), worklog.Draft{Title: "x"})
		e, ok := errors.AsType[*worklog.Error](err)
		if !ok || e.Code != code || e.RequestID != "abc" || tries != 1 {
			t.Errorf("%d: %#v after %d tries", status, err, tries)
		}
	}
}

func TestABadAddressFailsEveryCall(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", ":"} {
		if _, err := worklog.New(base, "t").Stats(t.Context()); worklog.CodeOf(err) != worklog.CodeInvalid {
			t.Errorf("%q: %v", base, err)
		}
	}
	if err := worklog.New("http://x", "a\nb").Info(t.Context(), "x"); worklog.CodeOf(err) != worklog.CodeUnauthorized {
		t.Errorf("token with a newline: %v", err)
	}
}

func TestErrorsDoNotShowTheToken(t *testing.T) {
	t.Parallel()
	c := wire(func(*http.Request, []byte) (*http.Response, error) { return nil, errors.New("no route") }).client(worklog.WithTimeout(time.Millisecond))
	_, err := c.Entries(t.Context(), worklog.Query{Text: "private"})
	if err == nil || strings.Contains(err.Error(), "wlg_") || strings.Contains(err.Error(), "private") {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfTheContextEndsACall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	}).client()
	if _, err := c.Append(ctx, worklog.Draft{Title: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
