package livetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/replay"
	"github.com/worklogdev/worklog/worklog"
)

// hooks is an agent of the site's user in session "s".
type hooks struct {
	t     *testing.T
	agent *replay.Agent
}

func newHooks(s *site) *hooks {
	s.t.Helper()
	return &hooks{s.t, &replay.Agent{URL: s.URL, Token: s.Token(apptest.Email, account.ScopeWrite)}}
}

func (h *hooks) post(name, rest string) {
	h.t.Helper()
	if err := h.agent.Post(h.t.Context(), fmt.Appendf(nil, `{"session_id":"s","prompt_id":"p1","hook_event_name":%q%s}`, name, rest)); err != nil {
		h.t.Fatal(err)
	}
}

const push = `,"tool_name":"Bash","tool_input":{"command":"git push"}`

// says is the state that the list beside the page gives the session's conversation.
const says = `document.querySelector('.threads a[data-state] .says')?.textContent`

func TestBrowserTellsOnEveryOpenPageWhoNeedsSomebody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := newHooks(s)
	h.post("UserPromptSubmit", `,"prompt":"Ship it"`)
	path := s.conversation("s")
	all := s.open(s.URL, "/")
	own, list := all.another(path), all.another("/conversations")
	listed := `document.querySelector('#conversation-list .row')?.dataset.state`
	expect := func(state, word, title string) {
		t.Helper()
		for _, b := range []*tab{all, own, list} {
			b.wait("the list beside says "+word, fmt.Sprintf("%s === %q", says, word))
			b.wait("the tab says "+title, fmt.Sprintf("document.title.startsWith(%q)", title))
		}
		own.wait("the head says "+state, fmt.Sprintf("document.getElementById('log-facts').dataset.state === %q", state))
		list.wait("the list says "+state, fmt.Sprintf("%s === %q", listed, state))
	}
	h.post("PreToolUse", push+`,"tool_use_id":"t1"`)
	expect("running", "running", "▸ Running · ")
	h.post("PermissionRequest", push)
	expect("needs_you", "needs you", "✋ Needs you · ")
	own.wait("the row says so, and for how long", `/asked for permission, (\d+ m )?\d+ s/.test(document.querySelector('#log-list .asks .asked')?.textContent)`)
	all.wait("the same row elsewhere", `document.querySelector('#log-list .asks .asked') !== null`)
	h.post("UserPromptSubmit", `,"prompt":"Not yet"`)
	expect("running", "running", "▸ Running · ")
	own.wait("the row asks no more", `!document.querySelector('.asked') && document.querySelector('#log-list .s-working')`)
	h.post("StopFailure", `,"error":"overloaded","background_tasks":[]`)
	expect("failed", "failed", "✕ Failed · ")
	own.wait("the row has ended", `!document.querySelector('#log-list .s-working')`)
	h.post("UserPromptSubmit", `,"prompt":"Once more"`)
	h.post("Stop", `,"last_assistant_message":"Shipped."`)
	expect("your_turn", "your turn", "↩ Your turn · ")
	own.equalsFresh()
}

func TestBrowserSaysSinceWhenThereIsNoNewsAndAsksNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := newHooks(s)
	h.post("PreToolUse", push+`,"tool_use_id":"t1"`)
	h.post("SubagentStart", `,"agent_id":"a1"`)
	b := s.open(s.URL, s.conversation("s"))
	b.wait("rows count up", `[...document.querySelectorAll('.dur')].every((e) => /^(\d+ m )?\d+ s$/.test(e.textContent))`)
	b.wait("it runs", `document.title.startsWith('▸ Running · ')`)
	const asks = `performance.getEntriesByType('resource').filter((e) => !e.name.includes('/static/')).length` // an icon may come late
	asked := eval[int](b, asks)
	apptest.Clock(t, b.ctx, time.Now().Add(3*time.Minute))
	b.wait("a tool that never ran here may be silent for some time", `/^[34] m/.test(document.querySelector('.dur').textContent)`)
	apptest.Clock(t, b.ctx, time.Now().Add(6*time.Minute))
	b.wait("then the row says since when", `[...document.querySelectorAll('.row[data-silence] .dur')].filter((e) => /^no news since .*\d:\d\d/.test(e.textContent)).length === 2`)
	b.wait("and the tab that it is silent", `document.title.startsWith('… Silent · ')`)
	b.wait("and the list", says+" === 'silent'")
	if n := eval[int](b, asks); n != asked {
		t.Errorf("the page has asked for %d more things", n-asked)
	}
	apptest.Clock(t, b.ctx, time.Now())
	h.post("PreToolUse", push+`,"tool_use_id":"t2","agent_id":"a1"`)
	b.wait("news of a step under it are news of the sub-agent", `/^(\d+ m )?\d+ s$/.test([...document.querySelectorAll('.row')].find((r) => /Subagent/.test(r.textContent)).querySelector('.dur').textContent)`)
	b.wait("it runs again", `document.title.startsWith('▸ Running · ')`)
}

func TestBrowserFollowsARunningStepOnItsOwnPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.write(worklog.Draft{Title: "make", Key: "k", Tool: "Bash", Conversation: "c", Status: worklog.StatusWorking, Details: "begins"})[0]
	b := s.open(s.URL, "/logs/"+id)
	long := strings.Repeat("a line of a long output\n", 500)
	b.do("window.same = true; document.querySelector('#entry-whole pre').focus()")
	b.wait("it counts up", `/^(\d+ m )?\d+ s$/.test(document.querySelector('#entry-whole .dur').textContent)`)
	s.write(numbered("c", 0, 3)...)
	s.write(worklog.Draft{Title: "make all", Key: "k", Status: worklog.StatusError, Details: "it broke\n" + long})
	b.wait("it ends in place", `document.querySelector('#entry-whole.s-error .how b')?.textContent === 'failed' && window.same`)
	b.wait("with the whole of its output", fmt.Sprintf("[...document.querySelectorAll('#entry-whole pre')].map((p) => p.textContent).join('').length >= %d", len(long)))
	b.wait("under its new title", `document.getElementById('entry-title').textContent.includes('make all') && document.title.includes('make all')`)
	if n := len(b.rows()); n != 1 {
		t.Errorf("%d rows came to a page of one", n)
	}
	b.do("document.querySelectorAll('#entry-whole details').forEach((d) => { d.open = true; })")
	s.write(worklog.Draft{Title: "make all", Key: "k", Status: worklog.StatusError, Metadata: worklog.Metadata{"exit_code": 2}})
	b.wait("what comes late is shown", "document.getElementById('entry-whole').textContent.includes('exit_code')")
	if n := eval[int](b, "document.querySelectorAll('#entry-whole details:not([open])').length"); n > 0 || eval[int](b, "document.querySelectorAll('#entry-whole details').length") == 0 {
		t.Errorf("%d parts that the reader had unfolded are folded again", n)
	}
}

func TestBrowserHasOneOpinionOfSilence(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := newHooks(s)
	h.post("PreToolUse", push+`,"tool_use_id":"t1"`)
	h.post("PostToolUse", push+`,"tool_use_id":"t1","tool_response":"ok","duration_ms":2000`) // a quick tool, from now on
	h.post("PreToolUse", push+`,"tool_use_id":"t2"`)
	b := s.open(s.URL, s.conversation("s"))
	b.wait("it runs", `document.title.startsWith('▸ Running · ') && !document.querySelector('.row[data-silence]') && `+says+` === 'running'`)
	apptest.Clock(t, b.ctx, time.Now().Add(90*time.Second))
	b.wait("the row says that there is no news", `document.querySelector('.row[data-silence] .dur')?.textContent.startsWith('no news since ')`)
	b.wait("and so do the tab and the list", `document.title.startsWith('… Silent · ') && `+says+` === 'silent'`)
}
