package view

import (
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// rowClass is made of our own words only, whatever the entry says.
func rowClass(r Row) string {
	class := "row s-" + statusClass(r.Status)
	if codeType(r.Entry) {
		class += " code"
	}
	if r.Parent != "" {
		class += " nested"
	}
	if r.Source == worklog.SourceWorklog {
		class += " own"
	}
	if asks(r) {
		class += " asks"
	}
	return class
}

// redactedHint explains the number of secrets that a row lacks.
const redactedHint = "What looks like a password, key or token was replaced before anything was stored"

func statusClass(s worklog.Status) string {
	if s.Valid() {
		return string(s)
	}
	return string(worklog.StatusInfo)
}

// since is when a running step began, as far as anybody knows.
func since(r Row) time.Time {
	if r.StartedAt.IsZero() {
		return r.LoggedAt
	}
	return r.StartedAt
}

// asks reports whether a running step waits for somebody's permission.
func asks(r Row) bool { return r.Status == worklog.StatusWorking && !r.AskedAt.IsZero() }

// news is when a running step was last heard of.
func news(r Row) time.Time {
	if r.UpdatedAt.After(since(r)) {
		return r.UpdatedAt
	}
	return since(r)
}

// preview is a row with as much of its details as lists show: the page has them elsewhere.
func preview(r Row) Row {
	r.Details, r.Metadata, r.DetailsBytes = "", nil, 0
	return r
}
