package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/worklog"
)

func write(t *testing.T, path string, err error) (*httptest.ResponseRecorder, problem.Problem) {
	t.Helper()
	rec := httptest.NewRecorder()
	rec.Header().Set(problem.RequestIDHeader, "req-1")
	problem.Write(rec, httptest.NewRequest(http.MethodPost, path, nil), err)
	var p problem.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("body %q: %v", rec.Body, err)
	}
	return rec, p
}

func TestEveryCodeHasItsOwnStatus(t *testing.T) {
	t.Parallel()
	seen := map[int]worklog.Code{}
	for _, c := range []worklog.Code{
		worklog.CodeInvalid, worklog.CodeMalformed, worklog.CodeUnauthorized, worklog.CodeForbidden, worklog.CodeNotFound,
		worklog.CodeConflict, worklog.CodeTooLarge, worklog.CodeMediaType, worklog.CodeRateLimited, worklog.CodeUnavailable,
		worklog.CodeInternal, worklog.CodeMethod,
	} {
		status := problem.Status(c)
		if other, ok := seen[status]; ok {
			t.Errorf("%s and %s share status %d", c, other, status)
		}
		seen[status] = c
		if rec, p := write(t, "/x", worklog.Errorf(c, "m")); rec.Code != status || p.Status != status || p.Code != c {
			t.Errorf("%s: answered %d with body %+v, want %d", c, rec.Code, p, status)
		}
	}
	if problem.Status("made up") != http.StatusInternalServerError {
		t.Error("an unknown code is not an internal error")
	}
}

func TestAProblemNamesFieldsAndRequest(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("Append(7): %w", &worklog.Error{
		Code: worklog.CodeInvalid, Message: "invalid draft", Fields: []worklog.FieldError{{Field: "title", Message: "is required"}},
		Err: errors.New("pq: secret"),
	})
	rec, p := write(t, "/api/v1/logs", err)
	if got := rec.Header().Get("Content-Type"); got != problem.ContentType {
		t.Errorf("content type %q", got)
	}
	want := problem.Problem{
		Type: "about:blank", Title: "Unprocessable Entity", Status: 422, Code: worklog.CodeInvalid, Detail: "invalid draft",
		Instance: "/api/v1/logs", Errors: []worklog.FieldError{{Field: "title", Message: "is required"}}, RequestID: "req-1",
	}
	if fmt.Sprint(p) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("the cause is shown: %s", rec.Body)
	}
}

func TestInternalMessagesStayInside(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New(`ERROR: relation "work_logs" does not exist (SQLSTATE 42P01)`),
		&json.UnmarshalTypeError{Value: "string", Field: "title"},
		&worklog.Error{Code: worklog.CodeInternal, Message: "SELECT secret"},
		&worklog.Error{Code: "made up", Message: "SELECT secret"},
	} {
		rec, p := write(t, "/x", err)
		if p.Status != 500 || p.Code != worklog.CodeInternal || p.RequestID != "req-1" {
			t.Errorf("%v: answered %+v", err, p)
		}
		for _, word := range []string{"SQLSTATE", "SELECT", "json", "work_logs"} {
			if strings.Contains(rec.Body.String(), word) {
				t.Errorf("%q is shown: %s", word, rec.Body)
			}
		}
		if problem.From(err).Err == nil && !errors.As(err, new(*worklog.Error)) {
			t.Errorf("%v: the cause is lost for the log", err)
		}
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	rec, p := write(t, "/x", &worklog.Error{Code: worklog.CodeUnavailable, Message: "away", RetryAfter: 1100 * time.Millisecond})
	if got := rec.Header().Get("Retry-After"); got != "2" || p.RetryAfter != 2 {
		t.Errorf("Retry-After %q, body %d, want 2", got, p.RetryAfter)
	}
}

func TestFailuresOfTheRequestHaveAStatusOfTheirOwn(t *testing.T) {
	t.Parallel()
	if _, p := write(t, "/x", fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 10})); p.Status != 413 || !strings.Contains(p.Detail, "10 bytes") {
		t.Errorf("too large: %+v", p)
	}
	if _, p := write(t, "/x", fmt.Errorf("q: %w", context.DeadlineExceeded)); p.Status != 503 || p.RetryAfter == 0 {
		t.Errorf("deadline: %+v", p)
	}
	if rec, _ := write(t, "/x", worklog.Errorf(worklog.CodeUnauthorized, "sign in")); rec.Header().Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
}

func TestSecretsInPathsAreMasked(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/otlp/wlg_secret/v1/logs": "/otlp/.../v1/logs",
		"/enter/secret":            "/enter/...",
		"/api/v1/logs/1":           "/api/v1/logs/1",
	} {
		if _, p := write(t, path, worklog.Errorf(worklog.CodeNotFound, "no")); p.Instance != want {
			t.Errorf("%s: instance %q, want %q", path, p.Instance, want)
		}
	}
}
