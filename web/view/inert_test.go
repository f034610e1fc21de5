package view_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// hostile is what somebody would try first.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</textarea></pre></li><li id="entry-x">`, `{{7*7}}`, `' onmouseover='alert(1)`, `<div hx-get="/logout">`,
		`javascript:alert(1)`, "JaVaScRiPt\t:alert(1)", `data:text/html,<b>`, `//evil.example`, "\x1b[31m<b>\x1b]8;;http://evil\x1b\\", "\u202e<b>", "x\r\nevent: bye\ndata: y", "<!--", "]]>", "&lt;b&gt;",
		"__proto__", "hx-get", strings.Repeat("\u200d", 50) + "<i>", "<b\x00>", "--></script>", `\"><svg/onload=alert(1)>`,
	}
}

// skeleton is the markup of a component without its text: tags with the names of their attributes.
func skeleton(t testing.TB, c templ.Component) []string {
	t.Helper()
	var tags []string
	z := nethtml.NewTokenizer(strings.NewReader(html(t, c)))
	for z.Next() != nethtml.ErrorToken {
		token := z.Token()
		if isPiece(token) {
			continue
		}
		switch token.Type {
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
			for _, a := range token.Attr {
				token.Data += " " + a.Key
			}
			tags = append(tags, token.Data)
		case nethtml.EndTagToken:
			tags = append(tags, "/"+token.Data)
		case nethtml.CommentToken:
			tags = append(tags, "!--")
		case nethtml.TextToken:
			if strings.ContainsAny(token.Data, "\x00\x1b\u202e") {
				t.Errorf("text %q is not inert", token.Data)
			}
		}
	}
	return tags
}

// isPiece reports whether a tag only colours output: how many there are depends on the output. Their classes are ours, and
// the only attribute; their ends are those of any other span, so they are told by coming in pairs.
func isPiece(token nethtml.Token) bool {
	if token.Data != "span" {
		return false
	}
	if token.Type == nethtml.EndTagToken {
		return true
	}
	if token.Type != nethtml.StartTagToken || len(token.Attr) != 1 || token.Attr[0].Key != "class" {
		return false
	}
	classes := strings.Fields(token.Attr[0].Val)
	return len(classes) > 0 && !slices.ContainsFunc(classes, func(c string) bool { return !slices.Contains(view.PieceClasses(), c) })
}

// rowOf writes s wherever an agent can write.
func rowOf(s string) view.Row {
	r := row(1, worklog.TypeToolCall, worklog.StatusSuccess, s, 1, 0)
	r.Tool, r.Details, r.Key, r.Parent, r.Source = "T", "."+s, "k"+s, "p"+s, s
	r.Metadata = worklog.Metadata{"k" + s: s, "list": []any{s, map[string]any{s: s}}}
	r.DetailsBytes = len(r.Details)
	return r
}

// pagesOf writes s wherever people or agents can, on every page.
func pagesOf(s string) map[string]templ.Component {
	c := conversation(1, "t"+s, 0, func(c *view.Conversation) {
		c.Mine, c.Owner, c.Key, c.Visibility = false, s, "k"+s, worklog.VisibilityTeam
	})
	mine := c
	mine.Mine = true
	sh := shell(s, "/conversations?q="+s)
	sh.Email, sh.Notice = "e"+s, "n"+s
	sh.Sidebar.Conversations = []view.Conversation{c, mine}
	feed := view.Feed{Path: "/", Filter: view.Filter{Text: "q" + s}, Rows: []view.Row{rowOf(s)}, Older: 3, Epoch: s}
	set := view.Setup{BaseURL: "http://" + s, Key: "k" + s}
	return withAdmin(map[string]templ.Component{
		"row":           view.EntryRow(rowOf(s)),
		"older":         view.OlderRows(feed),
		"activity":      view.ActivityPage(view.Activity{Shell: sh, Feed: feed, Setup: set}),
		"conversation":  view.ConversationView(view.ConversationPage{Shell: sh, Feed: view.Feed{Path: "/"}, Conversation: mine, Setup: set}),
		"team":          view.ConversationView(view.ConversationPage{Shell: sh, Feed: feed, Conversation: c, Setup: set}),
		"conversations": view.ConversationsPage(view.Conversations{Shell: sh, List: []view.Conversation{c, mine}, Query: "q" + s, Next: "n" + s, Setup: set}),
		"entry":         view.EntryRowPage(view.EntryPage{Shell: sh, Row: rowOf(s), Conversation: c, Token: "t" + s}),
		"delete":        view.DeletePage(view.DeleteConversation{Shell: sh, Conversation: c}),
		"problem":       view.ProblemPage(view.Problem{Shell: sh, Status: 400, Heading: s, Text: "t" + s, Fields: []worklog.FieldError{{Field: s, Message: s}}, LinkHref: "/" + s, LinkText: s, RequestID: "r" + s}),
		"login":         view.LoginPage(view.Login{Shell: stranger(s, s), Email: s, Next: s, Wrong: view.Wrong{{Field: "password", Text: "e" + s}}}),
		"confirm":       view.ConfirmPage(view.Confirm{Shell: sh, Next: s, Action: "/admin/holds", Download: true, Fields: []view.Field{{Name: "f" + s, Value: s}}, HasPassword: true, Wrong: view.Wrong{{Field: "password", Text: "e" + s}}}),
		"tokens":        view.TokensPage(view.Tokens{Shell: sh, Secret: "s", Name: s, BaseURL: s, Tokens: []view.Token{{ID: "1", Name: s, Prefix: s, Scopes: []string{s}}}}),
		"token-new":     view.NewTokenPage(view.NewToken{Shell: sh, Wrong: view.Wrong{{Field: "limit", Text: "e" + s}}, Form: view.TokenForm{Name: s, Limit: s, Expires: s}}),
		"sessions":      view.SessionsPage(view.Sessions{Shell: sh, Sessions: []view.Session{{ID: "1", Agent: s, Address: s}}}),
	}, sh, s)
}

// S-02, S-03, S-04, S-17.
func TestMarkupDoesNotDependOnWhatAnybodyWrites(t *testing.T) {
	t.Parallel()
	want := map[string][]string{}
	for name, c := range pagesOf("harmless") {
		want[name] = skeleton(t, c)
	}
	for _, s := range hostile() {
		for name, c := range pagesOf(s) {
			if got := skeleton(t, c); !slices.Equal(got, want[name]) {
				t.Errorf("%s with %q has other markup: %s", name, s, firstDifference(strings.Join(got, "\n"), strings.Join(want[name], "\n")))
			}
		}
	}
}

func TestMarkupDoesNotDependOnAnyText(t *testing.T) {
	t.Parallel()
	want := skeleton(t, view.EntryRow(rowOf("harmless")))
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.SampledFrom(hostile()), rapid.StringMatching(`[<>"'&/ a-z=\x00-\x1f]{0,40}`)).Draw(r, "text")
		if got := skeleton(t, view.EntryRow(rowOf(s))); !slices.Equal(got, want) {
			r.Fatalf("%q has other markup: %v", s, got)
		}
	})
}

func FuzzRowMarkup(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := skeleton(t, view.EntryRow(rowOf(s))), skeleton(t, view.EntryRow(rowOf("harmless"))); !slices.Equal(got, want) {
			t.Errorf("%q has other markup: %v", s, got)
		}
	})
}

// S-03: what metadata can hold at most still makes a row of bounded size.
func TestARowIsBoundedWhateverItsMetadata(t *testing.T) {
	t.Parallel()
	r := row(1, worklog.TypeInfo, worklog.StatusInfo, "many facts", 1, -1)
	r.Metadata = worklog.Metadata{}
	for i := range worklog.MaxMetadataKeys {
		r.Metadata[fmt.Sprintf("key-%04d", i)] = strings.Repeat("x", 5000)
	}
	r.Metadata["key-0000"] = json.Number("12345678901234567890")
	doc := find(t, view.EntryRow(r))
	if n := len(doc.all("dl.facts dt")); n != 24 {
		t.Errorf("%d facts, want 24", n)
	}
	if got := doc.text("dl.facts div:first-child dd"); got != "12345678901234567890" {
		t.Errorf("a large integer became %q", got)
	}
	if got := doc.text("details > .cap a"); got != "976 more facts" {
		t.Errorf("the rest is announced as %q", got)
	}
	if size := len(html(t, view.EntryRow(r))); size > 24<<10 {
		t.Errorf("the row has %d bytes", size)
	}
}

// addresses is every expression that may stand in an attribute which a browser or htmx acts upon. All are made of our
// own words and ids; templ.URL refuses what is not http. Whoever adds one has to ask what a writer could put into it.
func addresses() []string {
	return []string{
		`"/logs/" + r.ID`, `"#is-" + stateClass(s)`, `conversationURL(c)`, `conversationURL(v.Conversation)`, `f.olderSwap()`, `f.olderURL()`, `p.trigger()`, `p.url()`, `s.asset("app.css")`, `s.asset("favicon.svg")`, `s.asset(name)`,
		`templ.SafeURL("/conversations/" + c.ID + "/delete")`, `templ.SafeURL("/conversations/" + v.Conversation.ID + "/delete")`, `templ.SafeURL("/logs/" + r.ID)`,
		`templ.SafeURL("/conversations/" + r.ConversationID)`,
		`templ.SafeURL("/settings/connect/" + a.Name)`, `templ.SafeURL("/settings/connect/" + v.Agent.Name)`, `templ.SafeURL(v.Feed.Path)`, `templ.SafeURL("/settings/sessions/" + x.ID + "/end")`, `templ.SafeURL("/settings/tokens/" + t.ID + "/revoke")`, `templ.SafeURL(f.Path)`, `templ.SafeURL(f.olderURL())`, `templ.SafeURL(f.url(Filter{}))`,
		`templ.SafeURL(f.url(f.Filter))`, `templ.SafeURL(f.url(to))`, `templ.SafeURL(path)`, `templ.SafeURL(v.Action)`, `templ.SafeURL(x.path)`, `templ.SafeURL(v.nextURL())`, `templ.SafeURL(v.allURL())`, `templ.URL(v.LinkHref)`, `templ.URL(v.Next)`, `url`,
		`u.link("")`, `v.nextURL()`, `v.User.link("")`, `v.User.link("/link")`, `v.User.link("/role")`, `v.User.link("/disable")`, `v.User.link("/limit")`, `v.User.link("/sessions/" + x.ID + "/end")`,
		`v.User.link("/sessions/end-all")`, `v.User.link("/entries")`, `v.User.link("/export")`, `v.User.link("/erase")`, `v.User.link("/read")`, `v.User.link("/read/end")`, `v.About.link("")`,
		`t`, `templ.SafeURL(rangeURL(name))`, `auditAbout(v.User)`, `userURL(owner)`, `userURL(h.OwnerID)`, `userURL(id)`, `revokeURL(t)`, `releaseURL(h)`, `v.url(which, "")`, `v.url(v.Which, v.Next)`, `v.url(v.Action, v.Next)`, `v.url("", 0)`,
		`v.url(c.ID, 0)`, `v.url(r.ConversationID, 0)`, `v.url(v.Conversation.ID, v.Older)`,
	}
}

// S-04.
func TestAttributesThatActCarryNothingThatPeopleWrite_S04(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templ files, %v", len(files), err)
	}
	acting := regexp.MustCompile(`\b(src|href|action|formaction|srcdoc|hx-[a-z-]+|sse-[a-z]+)=\{\s*(.+?)\s*\}(?:\s|>|/|$)`)
	forbidden := regexp.MustCompile(`\b(style|on[a-z]+)=|<style|<script[^>]*>[^<]|templ\.Raw|<iframe|hx-on|hx-vals|hx-headers`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range acting.FindAllStringSubmatch(string(source), -1) {
			if !slices.Contains(addresses(), m[2]) {
				t.Errorf("%s: %s={ %s } is not on the list", file, m[1], m[2])
			}
		}
		if m := forbidden.FindString(string(source)); m != "" {
			t.Errorf("%s contains %q", file, m)
		}
	}
}
