package web

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// readForm returns the fields of a posted form. The query does not count: a link must not be able to fill a form in.
func readForm(c echo.Context) (url.Values, error) {
	req := c.Request()
	if req.ContentLength == 0 {
		return url.Values{}, nil
	}
	kind, _, err := mime.ParseMediaType(req.Header.Get(echo.HeaderContentType))
	if err != nil || kind != echo.MIMEApplicationForm {
		return nil, worklog.Errorf(worklog.CodeMediaType, "this takes a form (application/x-www-form-urlencoded)")
	}
	if err := req.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		if refused, ok := errors.AsType[*worklog.Error](err); ok {
			return nil, refused
		}
		return nil, &worklog.Error{Code: worklog.CodeMalformed, Message: "the form can not be read", Err: err}
	}
	return req.PostForm, nil
}

// maxNext bounds what goes around in ?next=.
const maxNext = 2000

// safeNext returns next if it is a page of ours, else "/". Browsers read "//host", "/\host" and some control characters
// in between as another site; decoding must not bring such a thing back.
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxNext || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	for _, form := range []string{next, u.Path} {
		if !strings.HasPrefix(form, "/") || strings.HasPrefix(form, "//") || strings.ContainsFunc(form, unsafeInNext) {
			return "/"
		}
	}
	return next
}

func unsafeInNext(r rune) bool {
	return r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar
}

// loginURL is where an anonymous visitor of r's page goes.
func loginURL(r *http.Request) string {
	if next := r.URL.RequestURI(); next != "/" {
		return "/login?next=" + url.QueryEscape(next)
	}
	return "/login"
}

// parseID reads a user's id.
func parseID(s string) (int64, bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0
}
