package readtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
)

// postHook posts an event with a token, as an agent does.
func (r *reader) postHook(token, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.app.URL+"/api/v1/hooks", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		r.t.Fatalf("the event is answered with %s", res.Status)
	}
}

// visible is an expression that is true when an element can be seen.
func visible(selector string) string {
	return "document.querySelector('" + selector + "').checkVisibility()"
}

func TestBrowserSeesTheFirstEventOfAConnectedAgentArrive(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.open("/")
	r.do("document.querySelector('#log-empty a[href=\"/settings/connect\"]').click()")
	r.arrive("the page to choose on", "document.querySelectorAll('.agents a').length === 7")
	r.do("[...document.querySelectorAll('.agents a')].find((a) => a.textContent.includes('Claude Code')).click()")
	r.arrive("the way to a token", "document.querySelector('main form[action=\"/settings/connect/claude-code\"] button')")
	r.do("document.querySelector('main form[action=\"/settings/connect/claude-code\"] button').click()")
	r.arrive("the command", "document.querySelector('.secret pre')")
	r.wait("the page follows", "document.getElementById('live-status')?.dataset.state === 'live'")
	if eval[bool](r, visible(".await .done")) || !eval[bool](r, visible(".await .pending")) {
		t.Error("the page does not wait")
	}
	command := eval[string](r, "document.querySelector('.secret pre').textContent")
	token := command[strings.Index(command, "wlg_"):]
	token = token[:strings.IndexAny(token, " \n")]
	if !strings.Contains(command, "WORKLOG_URL="+r.app.URL+" ") || !strings.Contains(command, "worklog connect claude-code") {
		t.Errorf("%s", command)
	}
	apptest.Accessible(t, r.ctx)

	r.write(odd()...) // with another token: none of it belongs here
	r.postHook(token, `{"session_id":"connected","prompt_id":"p","hook_event_name":"UserPromptSubmit","prompt":"Fix the build"}`)
	r.wait("the tick", visible(".await .done"))
	if rows := eval[string](r, "[...document.querySelectorAll('#log-list > li .title')].map((t) => t.textContent.trim()).join()"); !strings.Contains(rows, "Fix the build") || strings.Contains(rows, ",") {
		t.Errorf("the page shows %s", rows)
	}
	if eval[bool](r, visible(".await .pending")) {
		t.Error("the page still waits")
	}
	for _, theme := range []string{"light", "dark"} {
		r.theme(theme)
		apptest.Accessible(t, r.ctx)
	}
	r.size(360, 800)
	if wide := eval[int64](r, "document.documentElement.scrollWidth"); wide > 360 {
		t.Errorf("the page is %d wide", wide)
	}

	r.script(false)
	r.open("/settings/connect/claude-code")
	r.script(true)
	if text := eval[string](r, "document.querySelector('main').innerText"); !strings.Contains(text, "Claude Code: connected") || strings.Contains(text, "waiting") || strings.Contains(text, token) {
		t.Errorf("without scripts the page says %s", text)
	}
}
