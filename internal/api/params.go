package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// maxText bounds the search text, in characters.
const maxText = 200

// params reads the query of a request. It remembers the first mistake; a parameter that nobody knows is one, too, since
// a misspelt filter would silently show everything.
type params struct {
	values url.Values
	err    error
}

// query parses the parameters of c, of which those with the names known may be there, each once.
func query(c echo.Context, known ...string) *params {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.fail("", "the query can not be read")
		return p
	}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name):
			p.fail(worklog.Cut(name, 100), "is not a parameter here")
		case len(list) > 1:
			p.fail(name, "is given twice")
		case !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0):
			p.fail(name, "is not text")
		}
	}
	return p
}

func (p *params) fail(name, message string) {
	if p.err != nil {
		return
	}
	e := &worklog.Error{Code: worklog.CodeMalformed, Message: "a parameter is wrong"}
	if name != "" {
		e.Fields = []worklog.FieldError{{Field: strings.ToValidUTF8(name, "\uFFFD"), Message: message}}
	} else {
		e.Message = message
	}
	p.err = e
}

func (p *params) has(name string) bool { return p.values.Has(name) }

// text returns a parameter of at most most characters.
func (p *params) text(name string, most int) string {
	v := p.values.Get(name)
	if utf8.RuneCountInString(v) > most {
		p.fail(name, "must have at most "+strconv.Itoa(most)+" characters")
	}
	return v
}

func (p *params) flag(name string) bool {
	switch v := p.values.Get(name); v {
	case "true":
		return true
	case "", "false":
	default:
		p.fail(name, "must be true or false")
	}
	return false
}

// number returns a whole number between least and most, or otherwise when it is absent.
func (p *params) number(name string, least, most, otherwise int64) int64 {
	if !p.has(name) {
		return otherwise
	}
	n, err := strconv.ParseInt(p.values.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		p.fail(name, "must be a whole number from "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10))
		return otherwise
	}
	return n
}

func (p *params) time(name string) time.Time {
	v := p.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(v)); err != nil {
		p.fail(name, "must be an RFC 3339 time such as 2026-01-31T15:04:05Z")
	}
	return t
}

// filter reads what all lists of entries take.
func (p *params) filter() store.EntryFilter {
	f := store.EntryFilter{
		Type: worklog.Type(p.values.Get("type")), Status: worklog.Status(p.values.Get("status")),
		Source: p.text("source", worklog.MaxSourceChars), Query: strings.TrimSpace(p.text("q", maxText)),
	}
	if f.Type != "" && !f.Type.Valid() {
		p.fail("type", "is not a type of entry")
	}
	if f.Status != "" && !f.Status.Valid() {
		p.fail("status", "is not a status")
	}
	return f
}
