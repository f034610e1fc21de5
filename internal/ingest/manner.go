package ingest

import (
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/store"
)

// Manner is how drafts come in when it is not the plain way.
type Manner struct {
	// Agent: through an agents' door. New entries take places of the token's own window, [Options.AgentLimit] a minute.
	//
	// They may also complete and fill in what another token of the same owner has written, which a token that may only
	// write can not do elsewhere. The doors of one run merge by the keys of its calls, and each has a token of its own
	// (hooks one to write, OpenTelemetry one for nothing else): own entries alone would mean that whatever comes second is
	// refused. A final status stays as it is here, too.
	Agent bool
	// Inferred: nobody has reported the ends among them.
	Inferred bool
	// Import: from a file. All of them take places of the import budget, those that have just happened, too. A transcript
	// is one more door of a run: it may complete the calls that other tokens of the principal's own user have written.
	Import bool
	// KeepBefore keeps the conversations of drafts that were logged before it. The zero time: none.
	KeepBefore time.Time
	// Spooled: they were acknowledged while the database was away. They take no places: none may be refused any more.
	Spooled bool
	// Resent: the writer keeps what is limited and sends it again, so that no entry says that it was suppressed.
	Resent bool
	// AskedAt and AnsweredAt say that the running steps among them wait for a permission, or do not any more.
	AskedAt, AnsweredAt time.Time
	// Move says whose move it is now in their conversations.
	Move store.Move
}

// windowOf returns the window whose places a new entry takes: a token with its own limit has its own, and so has every
// token at the agents' doors. A user's own limit comes with the principal: it costs no query.
func (s *Service) windowOf(p *account.Principal, owner account.User, m Manner) limit.Window {
	switch {
	case p.Token != nil && p.Token.Limit > 0:
		return limit.Window{Owner: owner.ID, Token: p.Token.ID, Limit: p.Token.Limit}
	case p.Token != nil && m.Agent && s.agents > 0:
		return limit.Window{Owner: owner.ID, Token: p.Token.ID, Limit: s.agents}
	}
	return limit.Window{Owner: owner.ID, Limit: owner.Limit}
}

// Limit says how many places the principal has left, for RateLimit headers.
func (s *Service) Limit(p *account.Principal) limit.State { return s.LimitAs(p, Manner{}) }

// LimitAs is [Service.Limit] for drafts that come in another manner.
func (s *Service) LimitAs(p *account.Principal, m Manner) limit.State {
	return s.limiter.State(s.windowOf(p, p.User, m))
}
