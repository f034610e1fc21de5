package readtest

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
)

// An administrator who gave the password long ago, without any script: the browser itself sends the form on.
func TestBrowserDoesWhatWasAskedForOnceThePasswordIsGiven(t *testing.T) {
	t.Parallel()
	r, user := newOffice(t)
	conn, err := pgx.Connect(t.Context(), r.app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `UPDATE sessions SET data = convert_to(jsonb_set(convert_from(data, 'UTF8')::jsonb, '{signed_in_at}', '"2020-01-01T00:00:00Z"')::text, 'UTF8')
		WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
		eval[string](r, "document.querySelector('.who').textContent.trim()"))
	_ = conn.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.script(false)
	r.open(user)
	r.do("document.querySelector('form[action$=\"/disable\"] [name=reason]').focus()")
	r.press("left us" + kb.Enter)
	r.arrive("it asks for the password", "document.activeElement.type === 'password'")
	r.press("not the password" + kb.Enter)
	r.arrive("and again", "document.activeElement.getAttribute('aria-invalid') === 'true'")
	r.press(apptest.Password + kb.Enter)
	r.arrive("the user is disabled", "location.pathname === '"+user+"' && document.querySelector('.head .facts').textContent.includes('disabled')")
}
