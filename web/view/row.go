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
	return class
}

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
