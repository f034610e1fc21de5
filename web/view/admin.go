package view

import "strings"

// adminSection is one of the admin pages.
type adminSection struct{ path, name string }

// adminSections lists the admin pages in the order of the sidebar. A new page adds its line here.
func adminSections() []adminSection {
	return []adminSection{
		{"/admin", "Dashboard"},
		{"/admin/users", "Users"},
		{"/admin/tokens", "Tokens"},
		{"/admin/retention", "Retention"},
		{"/admin/holds", "Holds"},
		{"/admin/audit", "Audit"},
	}
}

// current reports whether the page at path belongs to the section.
func (a adminSection) current(path string) bool {
	if a.path == "/admin" {
		path, _, _ = strings.Cut(path, "?")
		return path == a.path
	}
	return within(path, a.path)
}
