package view

import "github.com/worklogdev/worklog/worklog"

// Dashboard is the page "/admin": counts of everybody, and no word that anybody wrote.
type Dashboard struct {
	Shell
	Stats worklog.Stats
}
