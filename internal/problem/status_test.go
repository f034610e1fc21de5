package problem_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/worklog"
)

func TestExportersGetAStatusInTheirEncoding(t *testing.T) {
	t.Parallel()
	for code, rpc := range map[worklog.Code]int{
		worklog.CodeMalformed: 3, worklog.CodeTooLarge: 3, worklog.CodeMediaType: 3, worklog.CodeInvalid: 3, worklog.CodeNotFound: 5, worklog.CodeForbidden: 7,
		worklog.CodeRateLimited: 8, worklog.CodeConflict: 10, worklog.CodeMethod: 12, worklog.CodeInternal: 13, worklog.CodeUnavailable: 14, worklog.CodeUnauthorized: 16,
	} {
		for _, media := range []string{"application/x-protobuf", "application/json; charset=utf-8", "text/plain"} {
			r := httptest.NewRequest(http.MethodPost, "/v1/logs", nil)
			r.Header.Set("Content-Type", media)
			w := httptest.NewRecorder()
			message := strings.Repeat("long ", 50)
			problem.WriteStatus(w, r, &worklog.Error{Code: code, Message: message, RetryAfter: 1500 * time.Millisecond, Err: errors.New("SELECT secret")})
			if w.Code != problem.Status(code) || strings.Contains(w.Body.String(), "secret") || code == worklog.CodeUnavailable && w.Header().Get("Retry-After") != "2" {
				t.Errorf("%s as %s: %d %v %s", code, media, w.Code, w.Header(), w.Body)
			}
			if media == "application/x-protobuf" {
				if want := []byte{8, byte(rpc), 18, 250, 1}; code != worklog.CodeInternal && w.Body.String() != string(want)+message || w.Header().Get("Content-Type") != media {
					t.Errorf("%s: %q", code, w.Body)
				}
				continue
			}
			var status struct {
				Code    int
				Message string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Code != rpc || status.Message == "" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s as %s: %s, %v", code, media, w.Body, err)
			}
		}
	}
}
