package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
)

// trustedFor is how long what a machine was allowed holds while its body arrives. A form is short, and changes more: it is
// always looked at again at its end.
const trustedFor = time.Second

// againKey is where a download keeps its second check.
const againKey = "again"

// checkAgain has rights looked at once more at the end of the body: a client that is slow on purpose must not act with
// rights that have ended since its headers came in.
func (s *Server) checkAgain(c echo.Context, req *http.Request, policy account.Policy) {
	again := func() error {
		p, _, err := s.principal(c)
		if err != nil {
			return err
		}
		return policy.Allow(p, s.now())
	}
	if isDownload(c.Path()) {
		c.Set(againKey, again)
	}
	if req.Body == nil || req.Body == http.NoBody {
		return
	}
	var trusted time.Duration
	if isMachine(req.URL.Path) {
		trusted = s.trusted
	}
	req.Body = &slowBody{ReadCloser: req.Body, until: time.Now().Add(trusted), again: again}
}

// allowedStill is the second check of a download, whose answer goes on for long.
func allowedStill(c echo.Context) error {
	if again, ok := c.Get(againKey).(func() error); ok {
		return again()
	}
	return nil
}

// slowBody asks again before it says that the body is whole, unless it was there at once.
type slowBody struct {
	io.ReadCloser
	until   time.Time
	again   func() error
	refused error
}

// Read reads the body, or fails as the second check did.
func (b *slowBody) Read(p []byte) (int, error) {
	if b.refused != nil {
		return 0, b.refused
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !time.Now().Before(b.until) {
		if b.refused = b.again(); b.refused != nil {
			return 0, b.refused
		}
	}
	return n, err
}
