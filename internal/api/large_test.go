package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// What the contract allows is stored, however much it weighs: sending it again would not make it lighter.
func TestALargeRequestIsTakenWhenNothingElseWaits(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 30_000), ",") + "]"
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"title":"x","metadata":{"l":`+list+`}},`, 40), ",") + "]"
	if a := s.do(http.MethodPost, "/api/v1/logs", token, body); a.status != http.StatusOK {
		t.Errorf("%d %.200s", a.status, a.body)
	}
}
