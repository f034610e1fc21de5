package view

import (
	"strings"
	"time"

	"github.com/a-h/templ"
)

func (s Shell) asset(name string) string {
	if s.Asset == nil {
		return "/static/" + name
	}
	return s.Asset(name)
}

// scripts are what the page loads, in this order.
func (s Shell) scripts() []string {
	shows := "rows.js"
	if s.Dashboard {
		shows = "board.js"
	}
	return []string{"htmx.min.js", "sse.min.js", shows, "live.js", "threads.js", "app.js"}
}

// tabTitle begins with what is most pressing: it is read in a row of narrow tabs.
func tabTitle(s Shell) string {
	return tabWord(pressing(s)) + plainTitle(s.Title)
}

func plainTitle(title string) string {
	if title == "" {
		return "Worklog"
	}
	return Line(title) + " · Worklog"
}

// within reports whether the page at path belongs under the link to section.
func within(path, section string) bool {
	path, _, _ = strings.Cut(path, "?")
	return path == section || section != "/" && strings.HasPrefix(path, section+"/")
}

func themeHelp(t string) string {
	switch t {
	case "light":
		return "Light colours"
	case "dark":
		return "Dark colours"
	default:
		return "Colours of the system"
	}
}

// keys is what app.js listens to.
func keys() [][2]string {
	return [][2]string{
		{"j", "next row"},
		{"k", "previous row"},
		{"Enter", "unfold the row"},
		{"o", "open the row's own page"},
		{"/", "filter or search"},
		{"g", "newest entry"},
		{"?", "this help"},
	}
}

// group is a part of a list of conversations.
type group struct {
	name string
	list []Conversation
}

// sideGroups splits conversations, in their order, into the pinned, those of the last day, and the rest.
func sideGroups(all []Conversation, now time.Time) []group {
	groups := []group{{name: "Pinned"}, {name: "Last 24 hours"}, {name: "Earlier"}}
	for _, c := range all {
		i := 2
		switch {
		case c.Pinned && c.Mine:
			i = 0
		case now.Sub(lastActivity(c)) < 24*time.Hour:
			i = 1
		}
		groups[i].list = append(groups[i].list, c)
	}
	out := groups[:0]
	for _, g := range groups {
		if len(g.list) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func lastActivity(c Conversation) time.Time {
	if c.LastEntryAt != nil {
		return *c.LastEntryAt
	}
	return c.CreatedAt
}

func conversationURL(c Conversation) templ.SafeURL { return templ.SafeURL("/conversations/" + c.ID) }
