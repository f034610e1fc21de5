package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/connect"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// What can be connected besides the agents that package connect knows.
const (
	agentTelemetry = "opentelemetry"
	agentMCP       = "mcp"
	agentImport    = "import"
	agentCurl      = "curl"
)

// firstEntries is how many entries the page shows that waits for the first.
const firstEntries = 5

// connectable is everything that can be connected, the most common first.
func connectable() []view.Agent {
	return []view.Agent{
		{Name: connect.ClaudeCode, Title: "Claude Code", Text: "every step, live, through its hooks"},
		{Name: connect.Codex, Title: "Codex", Text: "every step, live, through its hooks"},
		{Name: connect.Gemini, Title: "Gemini CLI", Text: "prompts, replies and ended steps, through its hooks"},
		{Name: agentTelemetry, Title: "OpenTelemetry", Text: "logs and traces of anything that exports OTLP"},
		{Name: agentMCP, Title: "MCP", Text: "milestones that an agent writes down itself"},
		{Name: agentImport, Title: "Past sessions", Text: "transcripts of Claude Code, Codex and Gemini CLI"},
		{Name: agentCurl, Title: "curl", Text: "anything: scripts, CI, cron, your own program"},
	}
}

// tokenName is the name of the tokens that are made for an agent. The page recognises them by it.
func tokenName(a view.Agent) string { return a.Title + " (connected)" }

// chosenAgent is the agent in the address.
func chosenAgent(c echo.Context) (view.Agent, error) {
	for _, a := range connectable() {
		if a.Name == c.Param("agent") {
			return a, nil
		}
	}
	return view.Agent{}, worklog.Errorf(worklog.CodeNotFound, "there is no such agent")
}

// connectPage lets the user choose.
func (s *Server) connectPage(c echo.Context) error {
	sh, err := s.page(c, "Connect", "")
	if err != nil {
		return err
	}
	sh.Path = "/settings/connect"
	return s.render(c, http.StatusOK, view.ConnectPage(view.Connect{Shell: sh, Agents: connectable()}))
}

// connectAgentPage shows what was written with the last token that was made for an agent, if there is one.
func (s *Server) connectAgentPage(c echo.Context) error {
	agent, err := chosenAgent(c)
	if err != nil {
		return err
	}
	token, err := s.lastToken(c, agent)
	if err != nil {
		return err
	}
	return s.showConnect(c, agent, token, nil)
}

// connectAgent makes a token for an agent and shows all that the agent needs. The secret is on the answer of this one
// request.
func (s *Server) connectAgent(c echo.Context) error {
	agent, err := chosenAgent(c)
	if err != nil {
		return err
	}
	user := account.PrincipalFrom(c.Request().Context()).User
	request := account.TokenRequest{Name: tokenName(agent), Scopes: []account.Scope{account.ScopeWrite}, Life: account.DefaultTokenLife}
	if agent.Name == agentTelemetry { // some exporters can send it in the address only
		request.Scopes = []account.Scope{account.ScopeOTLP}
	}
	tok, secret, err := account.NewToken(user, request, false, s.now().UTC())
	if err == nil {
		err = s.store.CreateToken(c.Request().Context(), tok, account.HashSecret(secret))
	}
	if err != nil {
		return err
	}
	s.log.Info("token created", "user", user.ID, "token", tok.ID)
	return s.showConnect(c, agent, tok.ID, steps(agent, s.publicURL(c.Request()), secret))
}

func (s *Server) showConnect(c echo.Context, agent view.Agent, token string, steps []view.Step) error {
	sh, err := s.page(c, "Connect "+agent.Title, "")
	if err != nil {
		return err
	}
	sh.Path = "/settings/connect/" + agent.Name
	v := view.Connect{Shell: sh, Agents: connectable(), Agent: agent, Steps: steps, Secret: steps != nil, Waiting: token != ""}
	if v.Waiting {
		page, err := s.store.Entries(c.Request().Context(), s.writtenWith(c, token))
		if err != nil {
			return err
		}
		v.Feed = view.Feed{Path: sh.Path, Rows: rowsOf(page.Rows), Cursor: page.Cursor, Epoch: page.Epoch}
	}
	return s.render(c, http.StatusOK, view.ConnectPage(v))
}

// writtenWith asks for what was written with a token.
func (s *Server) writtenWith(c echo.Context, token string) store.EntryQuery {
	return store.EntryQuery{Owner: account.PrincipalFrom(c.Request().Context()).User.ID, Filter: store.EntryFilter{Token: token}, Limit: firstEntries}
}

// lastToken is the id of the last token that was made here for an agent; empty when there is none.
func (s *Server) lastToken(c echo.Context, agent view.Agent) (string, error) {
	list, err := s.store.Tokens(c.Request().Context(), account.PrincipalFrom(c.Request().Context()).User.ID)
	if err != nil {
		return "", err
	}
	for _, t := range list { // the newest first
		if t.Name == tokenName(agent) {
			return t.ID, nil
		}
	}
	return "", nil
}

// connectStream is the stream of what is written with the last token that was made for an agent.
func (s *Server) connectStream(c echo.Context) error {
	q, err := s.lastWritten(c)
	if err != nil {
		return err
	}
	return s.serveStream(c, q, nil)
}

// connectChanges is the polling of the same.
func (s *Server) connectChanges(c echo.Context) error {
	q, err := s.lastWritten(c)
	if err != nil {
		return err
	}
	poll, err := s.changes(c, q, "/settings/connect/"+c.Param("agent"))
	if err != nil {
		return err
	}
	return s.answer(c, poll, pollConversation)
}

func (s *Server) lastWritten(c echo.Context) (q store.EntryQuery, err error) {
	agent, err := chosenAgent(c)
	if err != nil {
		return q, err
	}
	token, err := s.lastToken(c, agent)
	if err == nil && token == "" {
		err = worklog.Errorf(worklog.CodeNotFound, "there is no token for this agent")
	}
	return s.writtenWith(c, token), err
}
