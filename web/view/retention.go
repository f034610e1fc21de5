package view

import (
	"strings"
	"time"
)

// Retention is the page "/admin/retention". Its form posts to /admin/retention/run.
type Retention struct {
	Shell
	Hot, Warm, Cold time.Duration // ages at which entries become warm, cold, and are deleted
	Next            time.Time
	Objects         int64 // of the archive
	ArchiveBytes    int64
	Sweeps          []Sweep // newest first
	Due             []Due   // of a dry run; nil: none was asked for
	Counted         bool    // Due was counted
	Started         bool    // a sweep was just asked for, and may not have begun
	Wrong           Wrong
}

// Sweep is one pass of retention.
type Sweep struct {
	By        string // schedule, command, api, page
	State     string // running, done, failed, interrupted
	StartedAt time.Time
	Took      time.Duration // so far, of one that runs
	Warm      int64
	Cold      int64
	Archived  int64
	Deleted   int64
	Freed     int64 // bytes
	Error     string
}

// Due is what a step of a sweep would do now.
type Due struct {
	Step    string // warm, cold, archived, deleted
	Entries int64
	Bytes   int64
	Owners  []DueOwner // most entries first
	More    int        // owners that are not named
}

// DueOwner is one owner's part of a Due.
type DueOwner struct {
	Email   string
	Entries int64
}

func (v Retention) running() bool { return len(v.Sweeps) > 0 && v.Sweeps[0].State == "running" }

// trigger is when the figures are asked for again; empty: they stand.
func (v Retention) trigger() string {
	switch {
	case v.running():
		return "every 1s"
	case v.Started:
		return "load delay:1s"
	}
	return ""
}

// ageWord is a duration in whole days where it is one.
func ageWord(d time.Duration) string {
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		if d == day {
			return "1 day"
		}
		return thousands(int64(d/day)) + " days"
	}
	return duration(d)
}

// sweepWords is what a sweep did, in one line.
func sweepWords(s Sweep) string {
	var words []string
	for _, x := range []struct {
		n    int64
		word string
	}{{s.Warm, "compressed"}, {s.Cold, "moved to the archive"}, {s.Archived, "kept in the archive"}, {s.Deleted, "deleted"}} {
		if x.n > 0 {
			words = append(words, thousands(x.n)+" "+x.word)
		}
	}
	if len(words) == 0 {
		words = append(words, "nothing was due")
		if s.State == "running" {
			words[0] = "looking"
		}
	}
	if s.Freed > 0 {
		words = append(words, bytesWords(s.Freed)+" freed")
	}
	return strings.Join(words, " · ")
}

func startedBy(by string) string {
	switch by {
	case "schedule":
		return "daily"
	case "command":
		return "by command"
	case "api":
		return "over the API"
	default:
		return "from this page"
	}
}

// dueWord says what would become of entries.
func dueWord(step string) string {
	switch step {
	case "warm":
		return "would be compressed"
	case "cold":
		return "would move to the archive"
	case "archived":
		return "are kept: they would move to the archive for good"
	default:
		return "would be deleted"
	}
}
