package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// badForm is what is typed into a form and what it says of that: at which field, and in its words.
type badForm struct {
	action string
	typed  url.Values
	field  string // that has the focus
	says   string
}

// badForms are mistakes in every form of the product in which one can be made.
func badForms(o *office, held string) map[string]badForm {
	user := o.page(o.ann)
	return map[string]badForm{
		"a limit in words":      {"/settings/tokens", url.Values{"name": {"x"}, "scope": {"read"}, "limit": {"abc"}}, "limit", "Entries per minute must be a whole number from 0 to 1000000."},
		"a life of ages":        {"/settings/tokens", url.Values{"name": {"x"}, "scope": {"read"}, "expires": {"99999999"}}, "expires", "Expires after days must be a whole number from 0 to 3650."},
		"no right":              {"/settings/tokens", url.Values{"name": {"x"}}, "scope", "Choose at least one thing that the token may do."},
		"a right too many":      {"/settings/tokens", url.Values{"name": {"x"}, "scope": {"write", "otlp"}}, "scope", "It may: otlp stands alone: such a token may be part of an address, and addresses end up in logs."},
		"no name":               {"/settings/tokens", url.Values{"name": {" "}, "scope": {"read"}}, "name", "Name is required."},
		"a wrong password":      {"/settings/password", url.Values{"current": {"not that one"}, "password": {"a walk along the quay"}}, "current", "That is not your present password."},
		"a short password":      {"/settings/password", url.Values{"current": {password}, "password": {"short"}}, "password", "New password must have at least 15 characters."},
		"not confirmed":         {"/settings/confirm", url.Values{"password": {"not that one"}}, "password", "That is not your password."},
		"no address":            {"/admin/users", url.Values{"email": {"ann"}}, "email", "E-mail must be an e-mail address, like name@example.org."},
		"an address twice":      {"/admin/users", url.Values{"email": {"ann@example.org"}}, "email", "A user with this e-mail address exists."},
		"disabled for nothing":  {user + "/disable", url.Values{"disabled": {"true"}, "reason": {"x"}}, "reason", "Reason is required."},
		"exported for nothing":  {user + "/export", url.Values{"reason": {"x"}}, "reason", "Reason is required."},
		"a limit below nothing": {user + "/limit", url.Values{"limit": {"-5"}}, "limit", "New entries a minute must be a whole number from 0 to 1000000."},
		"erased for nothing":    {user + "/erase", url.Values{"reason": {"x"}, "confirm": {"ann@example.org"}}, "reason", "Reason is required."},
		"erased by mistake":     {user + "/erase", url.Values{"reason": {"asked"}, "confirm": {"bob@example.org"}}, "confirm", "The address that you typed is not this user's."},
		"read for nothing":      {user + "/read", url.Values{"reason": {"x"}}, "reason", "Reason is required."},
		"held for nothing":      {"/admin/holds", url.Values{"conversation": {"c"}, "reason": {"x"}}, "reason", "Reason is required."},
		"nothing held":          {"/admin/holds", url.Values{"conversation": {"c"}, "reason": {"court"}}, "conversation", "There is no such conversation."},
		"released for nothing":  {"/admin/holds/" + held + "/release", url.Values{"reason": {"x"}}, "reason", "Reason is required."},
	}
}

func TestAFormSaysWhatIsWrongAtItsFieldAndKeepsWhatWasTyped(t *testing.T) {
	o := newOffice(t)
	held := o.write(o.root, worklog.Draft{Title: "x", Conversation: "held"})
	o.want("holding", o.admin.post("/admin/holds", "conversation", held, "reason", "court"), http.StatusSeeOther)
	for name, bad := range badForms(o, held) {
		o.isWrong(name, o.admin.do(http.MethodPost, bad.action, bad.typed), bad)
	}
}

func TestTheFormsAtTheDoorSayWhatIsWrongAtTheirField(t *testing.T) {
	o := newOffice(t)
	link := o.link(account.LinkInvite, o.ann.ID)
	for name, bad := range map[string]badForm{
		"a wrong login":    {"/login", url.Values{"email": {"ann@example.org"}, "password": {"not that one"}}, "password", "E-mail and password do not belong together."},
		"a short password": {link, url.Values{"password": {"short"}}, "password", "Password must have at least 15 characters."},
	} {
		o.isWrong(name, o.browser().do(http.MethodPost, bad.action, bad.typed), bad)
	}
}

func TestWhatIsWrongWithAWholeFormHasTheFocus(t *testing.T) {
	o := newOffice(t)
	doc := parse(o.gate, o.admin.post(o.page(o.root)+"/role", "admin", "false"))
	focused := cascadia.QueryAll(doc, cascadia.MustCompile("[autofocus]"))
	if len(focused) != 1 || textOf(focused[0]) != "This is the last administrator who can sign in; make another one first." {
		t.Errorf("%d elements have the focus", len(focused))
	}
}

// isWrong checks that a form came back that says what is wrong with a field of it, and where the focus is.
func (o *office) isWrong(name string, w *httptest.ResponseRecorder, bad badForm) {
	o.Helper()
	doc := parse(o.gate, w)
	focused := cascadia.QueryAll(doc, cascadia.MustCompile("[autofocus]"))
	if len(focused) != 1 {
		o.Errorf("%s: %d elements have the focus: %d", name, len(focused), w.Code)
		return
	}
	field := focused[0]
	if got := attrOf(field, "name"); got != bad.field || attrOf(field, "aria-invalid") != "true" || attrOf(formOf(field), "action") != bad.action {
		o.Errorf("%s: the focus is at %q of %s, want %q of %s", name, got, attrOf(formOf(field), "action"), bad.field, bad.action)
	}
	if got := texts(doc, "#"+attrOf(field, "aria-describedby")); len(got) != 1 || got[0] != bad.says {
		o.Errorf("%s: it says %q, want %q", name, got, bad.says)
	}
	for _, n := range cascadia.QueryAll(formOf(field), cascadia.MustCompile("input[name]:not([readonly])")) {
		typed, value := bad.typed.Get(attrOf(n, "name")), attrOf(n, "value")
		switch attrOf(n, "type") {
		case "password":
			typed = ""
		case "checkbox", "hidden":
			continue
		}
		if value != typed {
			o.Errorf("%s: %s holds %q, want %q", name, attrOf(n, "name"), value, typed)
		}
	}
}

func formOf(n *html.Node) *html.Node {
	for p := range n.Ancestors() {
		if p.Data == "form" {
			return p
		}
	}
	return &html.Node{}
}
