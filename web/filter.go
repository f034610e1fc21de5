package web

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// maxQuery bounds a text filter, in characters.
const maxQuery = 200

// parseFilter reads type, status and q as pages, their streams and their polling take them. A value that no entry can
// have is an error: a page that silently shows everything, or nothing, would lie.
func parseFilter(q url.Values) (f store.EntryFilter, err error) {
	for _, name := range []string{"type", "status", "q", "before"} {
		if len(q[name]) > 1 {
			return f, worklog.Errorf(worklog.CodeMalformed, "%s may be given once", name)
		}
	}
	f.Type, f.Status = worklog.Type(q.Get("type")), worklog.Status(q.Get("status"))
	if f.Type != "" && !f.Type.Valid() {
		return f, worklog.Errorf(worklog.CodeMalformed, "there is no such type of entry")
	}
	if f.Status != "" && !f.Status.Valid() {
		return f, worklog.Errorf(worklog.CodeMalformed, "there is no such status")
	}
	f.Query, err = parseText(q)
	return f, err
}

// parseText reads q, the text that titles are searched for.
func parseText(q url.Values) (string, error) {
	text := strings.TrimSpace(q.Get("q"))
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", worklog.Errorf(worklog.CodeMalformed, "q is not text")
	}
	if utf8.RuneCountInString(text) > maxQuery {
		return "", worklog.Errorf(worklog.CodeMalformed, "q must have at most %d characters", maxQuery)
	}
	return text, nil
}

// parseBefore reads the place in the feed before which a page begins; 0: at the newest entry.
func parseBefore(q url.Values) (int64, error) {
	text := q.Get("before")
	if text == "" {
		return 0, nil
	}
	before, err := strconv.ParseInt(text, 10, 64)
	if err != nil || before <= 0 {
		return 0, worklog.Errorf(worklog.CodeMalformed, "before is not a place in a feed")
	}
	return before, nil
}

// parseFlag reads a parameter that is "true" or absent.
func parseFlag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, worklog.Errorf(worklog.CodeMalformed, "%s is true or false", name)
}
