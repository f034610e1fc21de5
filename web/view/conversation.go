package view

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// timeOrNever is a time whose zero value says that it never happened.
type timeOrNever = time.Time

// span is how long a conversation has gone on, from its start to its last entry.
func span(c Conversation) string {
	if c.LastEntryAt == nil {
		return ""
	}
	d := c.LastEntryAt.Sub(c.CreatedAt)
	switch {
	case d < time.Minute:
		return ""
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	default:
		return duration(d)
	}
}

// pageGroups splits the list like the sidebar does, except where one name fits all.
func pageGroups(v Conversations) []group {
	if v.Archived || v.Team || v.Query != "" {
		if len(v.List) == 0 {
			return nil
		}
		return []group{{list: v.List}}
	}
	return sideGroups(v.List, v.Now)
}

func (v Conversations) nextURL() string {
	q := v.which()
	q.Set("before", v.Next)
	if v.Query != "" {
		q.Set("q", v.Query)
	}
	return href("/conversations", q)
}

// allURL is the same list without its search.
func (v Conversations) allURL() string { return href("/conversations", v.which()) }

func (v Conversations) which() url.Values {
	q := url.Values{}
	if v.Archived {
		q.Set("archived", "true")
	}
	if v.Team {
		q.Set("team", "true")
	}
	return q
}

func codeType(e worklog.Entry) bool {
	return e.Type == worklog.TypeToolCall || e.Type == worklog.TypeFileOperation
}

func statusCode(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

func emptyWait(f Feed) string {
	if f.Before > 0 {
		return ""
	}
	return " yet; what arrives and matches will show up here"
}

// logCommand and curlCommand are what a newcomer pastes into a shell.
func logCommand(s Setup) string {
	return `worklog log "Hello from the shell" --status success --conversation ` + quote(s.key())
}

func curlCommand(s Setup) string {
	draft := `{"title":"Hello from curl","status":"success","conversation":` + jsonText(s.key()) + `}`
	return "curl " + s.BaseURL + "/api/v1/logs \\\n  -H \"Authorization: Bearer $WORKLOG_TOKEN\" \\\n  --json " + quote(draft)
}

func (s Setup) key() string {
	if s.Key == "" {
		return "first-steps"
	}
	return Line(s.Key)
}

// quote wraps s so that a POSIX shell reads it as one word.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
