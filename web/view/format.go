package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Bounds of one row in a list. The permalink shows everything.
const (
	rowFacts     = 24      // metadata keys
	rowFactBytes = 400     // of one metadata value
	peekBytes    = 200     // of the line of output that a failed step shows while it is folded
	peekWindow   = 2 << 10 // of the output that is searched for it
)

// typeWord is the faint word behind a title.
func typeWord(t worklog.Type) string {
	switch t {
	case worklog.TypeAIResponse:
		return "response"
	case worklog.TypeToolCall:
		return "tool"
	case worklog.TypeFileOperation:
		return "file"
	case worklog.TypeDeployment:
		return "deploy"
	case worklog.TypeError:
		return "error"
	default:
		return "info"
	}
}

// typeLabel names a type on a chip.
func typeLabel(t worklog.Type) string {
	switch t {
	case worklog.TypeAIResponse:
		return "Responses"
	case worklog.TypeToolCall:
		return "Tools"
	case worklog.TypeFileOperation:
		return "Files"
	case worklog.TypeDeployment:
		return "Deploys"
	case worklog.TypeError:
		return "Errors"
	default:
		return "Info"
	}
}

// statusLabel says how an entry stands, for chips and for those who do not see the icon.
func statusLabel(s worklog.Status) string {
	switch s {
	case worklog.StatusWorking:
		return "Working"
	case worklog.StatusSuccess:
		return "Succeeded"
	case worklog.StatusWarning:
		return "Warnings"
	case worklog.StatusError:
		return "Failed"
	default:
		return "Notes"
	}
}

func statusWord(s worklog.Status) string {
	switch s {
	case worklog.StatusWorking:
		return "working"
	case worklog.StatusSuccess:
		return "succeeded"
	case worklog.StatusWarning:
		return "warning"
	case worklog.StatusError:
		return "failed"
	default:
		return "note"
	}
}

// duration is d to the precision that a reader can use: 40 ms, 8.2 s, 2 m 10 s, 1 h 04 m, 3 d 4 h. app.js counts
// running steps up in the same form.
func duration(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case d < 100*time.Millisecond:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strings.TrimSuffix(strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", s/60, s%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
	}
}

// size is n bytes in words.
func size(n int) string {
	switch {
	case n < 1<<10:
		return strconv.Itoa(n) + " bytes"
	case n < 10<<10:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KB"
	default:
		return strconv.Itoa(n>>10) + " KB"
	}
}

// thousands is n in groups of three.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// count is n and its noun: "1 step", "12 345 steps", "2 entries".
func count(n int64, noun string) string {
	s := thousands(n)
	if n == 1 {
		return s + " " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return s + " " + stem + "ies"
	}
	return s + " " + noun + "s"
}

// machine is t for the datetime attribute.
func machine(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// clock is t for a reader whose browser runs no script: app.js makes it local and relative.
func clock(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") + " UTC" }

// hour is the time of day of t.
func hour(t time.Time) string { return t.UTC().Format("15:04") }

// seconds is d for scripts.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// exact is t to the second.
func exact(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") + " UTC" }

func date(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// headline splits a title into the tool's name and the rest.
func headline(e worklog.Entry) (tool, rest string) {
	title, tool := Line(e.Title), Line(e.Tool)
	if strings.TrimSpace(title) == "" {
		title = "(no visible text)"
	}
	if tool == "" {
		return "", title
	}
	rest, found := strings.CutPrefix(title, tool)
	switch {
	case found && strings.HasPrefix(rest, ":"):
		return tool + ":", rest[1:]
	case found && (rest == "" || rest[0] == ' '):
		return tool, rest
	default:
		return tool, " " + title
	}
}

// peek is the line of what a failed or warning step printed that says most: the first that speaks of a failure, else the
// first.
func peek(r Row) string {
	if r.Status != worklog.StatusError && r.Status != worklog.StatusWarning {
		return ""
	}
	first := ""
	shown := screen{}
	shown.write(worklog.Cut(r.Details, peekWindow))
	for _, l := range shown.lines {
		line := strings.TrimSpace(Line(l.plain()))
		if first == "" {
			first = line
		}
		if tellsFailure(line) {
			return worklog.Cut(line, peekBytes)
		}
	}
	return worklog.Cut(first, peekBytes)
}

func tellsFailure(line string) bool {
	line = strings.ToLower(line)
	for _, word := range []string{"error", "fail", "fatal", "panic", "exception", "denied"} {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}

// cut reports whether the row holds only the beginning of its details.
func cut(r Row) bool { return r.DetailsBytes > len(r.Details) }

// archivedLabel is the link to what lies in the archive.
func archivedLabel(r Row) string {
	if r.DetailsBytes == 0 {
		return "Show the facts from the archive"
	}
	return "Show " + size(r.DetailsBytes) + " from the archive"
}

// fact is one line of metadata.
type fact struct{ key, value string }

// facts returns the metadata by key, and how many keys were left out. Unless whole is set, it is bounded.
func facts(m worklog.Metadata, whole bool) (list []fact, more int) {
	keys := slices.Sorted(maps.Keys(m))
	if !whole && len(keys) > rowFacts {
		more = len(keys) - rowFacts
		keys = keys[:rowFacts]
	}
	for _, k := range keys {
		v := Text(factValue(m[k]))
		if c := worklog.Cut(v, rowFactBytes); !whole && len(c) < len(v) {
			v = c + "…"
		}
		list = append(list, fact{Line(k), v})
	}
	return list, more
}

func factValue(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return jsonText(v)
}

func jsonText(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // templ escapes; twice would show
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// days is a duration in days, as settings of retention are.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "a day"
	case d < day || d%day != 0:
		return d.String()
	}
	return strconv.FormatInt(int64(d/day), 10) + " days"
}
