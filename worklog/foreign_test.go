package worklog_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/worklogdev/worklog/worklog"
)

// changes are the calls that change something, each with its name.
func changes(c *worklog.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"one":    func(ctx context.Context) error { return c.Info(ctx, "x") },
		"many":   func(ctx context.Context) error { _, err := c.Append(ctx, make([]worklog.Draft, 2)...); return err },
		"import": func(ctx context.Context) error { _, err := c.Import(ctx, true, worklog.Draft{Title: "x"}); return err },
		"step":   func(ctx context.Context) error { return c.Start(ctx, worklog.Draft{Title: "x"}).Done(ctx) },
		"patch":  func(ctx context.Context) error { _, err := c.PatchEntry(ctx, "id", worklog.EntryPatch{}); return err },
		"create": func(ctx context.Context) error {
			_, err := c.CreateConversation(ctx, worklog.NewConversation{})
			return err
		},
		"update": func(ctx context.Context) error {
			_, err := c.UpdateConversation(ctx, "id", worklog.ConversationPatch{})
			return err
		},
		"delete": func(ctx context.Context) error { return c.DeleteConversation(ctx, "id") },
	}
}

// reads are the calls that only ask.
func reads(c *worklog.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"entries":      func(ctx context.Context) error { _, err := c.Entries(ctx, worklog.Query{}); return err },
		"changes":      func(ctx context.Context) error { _, err := c.Changes(ctx, worklog.Query{}, 1); return err },
		"entry":        func(ctx context.Context) error { _, err := c.Entry(ctx, "id"); return err },
		"conversation": func(ctx context.Context) error { _, err := c.Conversation(ctx, "id"); return err },
		"conversations": func(ctx context.Context) error {
			_, err := c.Conversations(ctx, worklog.ConversationQuery{})
			return err
		},
		"stats":       func(ctx context.Context) error { _, err := c.Stats(ctx); return err },
		"admin stats": func(ctx context.Context) error { _, err := c.AdminStats(ctx); return err },
		"window":      func(ctx context.Context) error { _, err := c.AdminWindow(ctx, "24h"); return err },
		"retention":   func(ctx context.Context) error { _, err := c.Retention(ctx); return err },
	}
}

// moved redirects every request to where to says, and there answers every GET as something else than worklog would.
func moved(status int, to func(r *http.Request) string, requests *int) wire {
	return func(r *http.Request, _ []byte) (*http.Response, error) {
		switch *requests++; {
		case r.Response == nil:
			return answer(status, "", "Location", to(r))
		case r.Method == http.MethodGet:
			return answer(200, `{"id":"id","outcome":"stored","receipts":[{"outcome":"stored"},{"outcome":"stored"}]}`)
		}
		return answer(500, `{}`)
	}
}

func TestWhatARedirectHasMadeAQuestionOfIsNotDone(t *testing.T) {
	t.Parallel()
	for place, x := range map[string]struct {
		to   func(r *http.Request) string
		want string // of the message
	}{
		"moved":    {func(r *http.Request) string { return "https://new.test" + r.URL.Path }, "the server has moved to https://new.test/base: use that address"},
		"in house": {func(r *http.Request) string { return "/new" + r.URL.Path }, "the server has moved to http://worklog.test/new/base: use that address"},
		"sign-in":  {func(*http.Request) string { return "https://sso.test/login?secret=1" }, "http://worklog.test leads to https://sso.test: use the address of the server itself"},
		"a gate":   {func(r *http.Request) string { return r.URL.Path + "?ticket=secret" }, "http://worklog.test leads to http://worklog.test: use the address of the server itself"},
	} {
		for _, status := range []int{301, 302, 303} {
			requests := 0
			for name, do := range changes(moved(status, x.to, &requests).client()) {
				before := requests
				err := do(t.Context())
				if e, ok := errors.AsType[*worklog.Error](err); !ok || e.Code != worklog.CodeInternal || !strings.Contains(e.Error(), x.want) || strings.Contains(e.Error(), "secret") {
					t.Errorf("%s, %d, %s: %v, want %s", place, status, name, err, x.want)
				}
				if n := requests - before; n != 2 && name != "step" {
					t.Errorf("%s, %d, %s: %d requests", place, status, name, n)
				}
			}
		}
	}
}

func TestARedirectThatLeavesARequestAsItIsIsFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{307, 308} {
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			if r.Response == nil {
				return answer(status, "", "Location", "/new"+r.URL.Path)
			}
			return stored(r, body)
		}).client()
		if receipts, err := c.Append(t.Context(), worklog.Draft{Title: "x"}); err != nil || receipts[0].Entry.Title != "x" {
			t.Errorf("%d: %+v, %v", status, receipts, err)
		}
	}
}

// net/http tells another host no token, and then the host's word would be that there is none.
func TestARedirectThatCostsTheTokenSaysWhereItLed(t *testing.T) {
	t.Parallel()
	c := wire(func(r *http.Request, _ []byte) (*http.Response, error) {
		if r.Response == nil {
			return answer(308, "", "Location", "https://new.test"+r.URL.Path)
		}
		return answer(401, `{"code":"unauthorized","detail":"sign in"}`)
	}).client()
	calls := reads(c)
	calls["log"] = func(ctx context.Context) error { return c.Info(ctx, "x") }
	calls["stream"] = func(ctx context.Context) (last error) {
		for _, last = range c.Stream(ctx, worklog.StreamQuery{}) { // it ends
		}
		return last
	}
	for name, do := range calls {
		if err := do(t.Context()); worklog.CodeOf(err) != worklog.CodeUnauthorized || !strings.Contains(err.Error(), "moved to https://new.test/base") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClientThatFollowsNoRedirectSaysWhereItLed(t *testing.T) {
	t.Parallel()
	requests := 0
	h := &http.Client{
		Transport:     moved(301, func(r *http.Request) string { return "https://new.test" + r.URL.Path }, &requests),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	err := worklog.New("http://worklog.test/base", "t", worklog.WithHTTPClient(h)).Info(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "moved to https://new.test/base") || requests != 1 {
		t.Errorf("%v after %d requests", err, requests)
	}
}

func TestAnAnswerOfSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"status":"ok"}`, `null`, `[]`, `"x"`, `<html>`, ``, `{"outcome":"zzz","entry":null}`, `{"receipts":[{},{}]}`, `{"receipts":[null,null]}`} {
		tries := 0
		c := wire(func(*http.Request, []byte) (*http.Response, error) { tries++; return answer(200, body) }).client()
		for _, calls := range []map[string]func(context.Context) error{changes(c), reads(c)} {
			for name, do := range calls {
				before := tries
				err := do(t.Context())
				if worklog.CodeOf(err) != worklog.CodeInternal || !strings.Contains(err.Error(), "http://worklog.test") {
					t.Errorf("%s answered with %s: %v", name, body, err)
				}
				if n := tries - before; n != 1 && name != "step" {
					t.Errorf("%s answered with %s: %d tries", name, body, n)
				}
			}
		}
	}
}

func TestABufferCountsWhatSomethingElseHasTakenAsDropped(t *testing.T) {
	t.Parallel()
	requests := 0
	for name, f := range map[string]wire{
		"a redirect": moved(302, func(r *http.Request) string { return "https://new.test" + r.URL.Path }, &requests),
		"an answer":  func(*http.Request, []byte) (*http.Response, error) { return answer(200, `{"receipts":[{},{}]}`) },
	} {
		for _, n := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				c := f.client(worklog.WithBuffer(9))
				for range n {
					_ = c.Info(t.Context(), "x")
				}
				_ = c.Close(t.Context())
				if s := c.Buffered(); s.Dropped != int64(n) || s.Received() != 0 || worklog.CodeOf(s.Err) != worklog.CodeInternal {
					t.Errorf("%s, %d drafts: %+v", name, n, s)
				}
			})
		}
	}
}
