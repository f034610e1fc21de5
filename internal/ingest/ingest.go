// Package ingest is the write path: validate, admit, group commit, hint, receipts. Every door leads here.
//
// One committer takes whatever waits when the previous batch has committed; there is no timer. A request is never
// split over two batches. Admission happens inside the transaction, after known keys were looked up, so that a known
// key costs no place and no place is refused while one is free.
package ingest

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// Bounds of the queue and its batches.
const (
	maxQueuedDrafts = 20_000
	maxQueuedBytes  = 64 << 20
	maxBatchDrafts  = 4_000
	maxBatchBytes   = 16 << 20
	// queueTimeout is how long a request waits for its commit before it is told to try again.
	queueTimeout = 5 * time.Second
	// answerMargin is how much longer a writer waits at most, whatever a commit that hangs is about to do.
	answerMargin = time.Second
	// lockedPause is when a request is tried again whose owner another writer holds: twice as long each time, up to the
	// maximum. Most hold an owner for a millisecond or two.
	lockedPause    = time.Millisecond
	maxLockedPause = 8 * time.Millisecond
	// failedPause is between tries to store what is left at a stop.
	failedPause = 250 * time.Millisecond
	// importAge is how old a draft must be to count as an import.
	importAge = time.Minute
	// flushEvery is the pace of repeats, suppressed and refused counts on their way into the database.
	flushEvery = time.Second
	// RetryAfter is what writers are told to wait while nothing can be stored.
	RetryAfter = 2 * time.Second
)

// appender is the store's side of the write path.
type appender interface {
	Append(ctx context.Context, b store.Batch) (results []store.Result, locked []int64, err error)
	Untold(ctx context.Context) (map[int64]store.Untold, error)
}

// directory finds the users that tokens with the scope write:any write for.
type directory interface {
	UserByEmail(ctx context.Context, email string) (account.User, string, error)
}

// Options configure a [Service].
type Options struct {
	// Patience is how long a request may wait for its commit, and half as long as a transaction may take; 0: queueTimeout.
	Patience time.Duration
	// AgentLimit is how many new entries a minute a token has at the agents' doors; 0: as many as its user anywhere.
	AgentLimit int
	Redactor   *redact.Redactor  // nil: drafts are stored as they are
	Room       func() store.Room // nil: as much as there is
	Log        *slog.Logger      // nil: nothing
	Now        func() time.Time  // nil: time.Now
}

// Service is the write path. Its methods are safe for concurrent use.
type Service struct {
	store    appender
	users    directory
	limiter  *limit.Limiter
	announce func(owner int64)
	log      *slog.Logger
	now      func() time.Time
	metrics  Metrics
	agents   int // Options.AgentLimit
	redactor *redact.Redactor
	room     func() store.Room

	queueTimeout  time.Duration
	answerTimeout time.Duration // of a writer, in which the queue's is over
	batchTimeout  time.Duration // of a transaction, which may hang

	mu      sync.Mutex
	queue   []*request
	drafts  int // queued
	bytes   int
	closed  bool
	wake    chan struct{} // one slot
	pending pending

	failing bool // the last batch was not stored; of the committer alone
}

// New returns a service; nothing is stored until Run runs. Announce is called after a commit with each owner who has
// news and must not block.
func New(st appender, users directory, limiter *limit.Limiter, announce func(owner int64), o Options) *Service {
	if o.Patience == 0 {
		o.Patience = queueTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Room == nil {
		o.Room = func() store.Room { return store.Room{} }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: st, users: users, limiter: limiter, announce: announce, log: o.Log, now: o.Now, agents: o.AgentLimit, redactor: o.Redactor, room: o.Room,
		queueTimeout: o.Patience, answerTimeout: o.Patience + answerMargin, batchTimeout: 2 * o.Patience,
		wake: make(chan struct{}, 1), pending: newPending(),
	}
}

// request is what one call waits for.
type request struct {
	drafts   []draft
	receipts []worklog.Receipt
	bytes    int
	queued   time.Time
	notUntil time.Time // an owner was locked
	met      int       // how often one was
	passed   bool      // it belongs to its step's change of this second, whatever holds it up from now on
	imports  limit.Reservation
	// importsUsed is how many places of imports hold a stored entry.
	importsUsed int
	refused     []int64 // owners to whom an invalid draft each is counted once the request is over
	done        chan struct{}
	finished    bool
	err         error
}

// draft is a valid draft on its way.
type draft struct {
	index       int // in the receipts
	write       store.Write
	fingerprint limit.Fingerprint // of one without a key
	window      limit.Window
	imported    bool
	free        bool // takes no place
	resent      bool // by its writer when it is limited
	reservation limit.Reservation
}

// Append stores drafts and returns a receipt for each, in order, after the commit. Invalid and limited drafts are
// receipts, not errors. An error is a [worklog.Error]: forbidden, rate_limited (the import budget; nothing was stored)
// or unavailable (nothing was stored, or it is not known: retry with the same keys).
func (s *Service) Append(ctx context.Context, p *account.Principal, drafts []worklog.Draft) ([]worklog.Receipt, error) {
	return s.AppendAs(ctx, p, Manner{}, drafts)
}

// AppendAs is [Service.Append] for drafts that come in another manner.
func (s *Service) AppendAs(ctx context.Context, p *account.Principal, m Manner, drafts []worklog.Draft) ([]worklog.Receipt, error) {
	if !p.Can(account.ScopeWrite) && !p.Can(account.ScopeWriteAny) && !(m.Agent && p.Can(account.ScopeOTLP)) {
		return nil, worklog.Errorf(worklog.CodeForbidden, "this needs the right %q", account.ScopeWrite)
	}
	r := &request{receipts: make([]worklog.Receipt, len(drafts)), done: make(chan struct{})}
	now := s.clock()
	owners := map[string]account.User{"": p.User}
	imports := 0
	for i := range drafts {
		d := &drafts[i]
		redacted := s.redactDetails(d)
		d.Normalize()
		owner, err := s.owner(ctx, p, d, owners)
		if err == nil {
			err = check(d, now)
		}
		if err != nil {
			if worklog.CodeOf(err) != worklog.CodeInvalid {
				return nil, err
			}
			s.refuse(r, i, p.User.ID, err.(*worklog.Error))
			continue
		}
		redacted += s.redactRest(d)
		s.metrics.redacted.Add(int64(redacted))
		x := r.add(i, d, owner.ID, p, now)
		x.write.Facts.Redacted = redacted
		x.window, x.resent, x.write.Facts.Inferred = s.windowOf(p, owner, m), m.Resent, m.Inferred
		x.imported = x.imported || m.Import
		x.write.Keep = d.LoggedAt != nil && d.LoggedAt.Before(m.KeepBefore) && owner.ID == p.User.ID
		if x.free = m.Spooled; x.free {
			x.imported = false
		}
		x.write.Facts.AskedAt, x.write.Facts.AnsweredAt, x.write.Move = m.AskedAt, m.AnsweredAt, m.Move
		x.write.OwnOnly = x.write.OwnOnly && !m.Agent && !(m.Import && owner.ID == p.User.ID && isCall(d.Key))
		if x.imported {
			imports++
		}
	}
	if len(r.drafts) == 0 {
		s.countRefused(r)
		return r.receipts, nil
	}
	if err := s.reserveImports(r, p, imports); err != nil {
		return nil, err
	}
	if err := s.run(ctx, r); err != nil {
		return nil, err
	}
	return r.receipts, nil
}

// isCall reports whether a key has the form in which every agents' door names a call: its session and its id.
func isCall(key string) bool { return strings.Contains(key, "/") }

// clock is the one clock of a batch, in the resolution that PostgreSQL keeps.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

func check(d *worklog.Draft, now time.Time) error {
	if err := d.Validate(now); err != nil {
		return err
	}
	if d.ConversationID != "" && uuid.Validate(d.ConversationID) != nil {
		return invalid("conversation_id", "must be a UUID")
	}
	return nil
}

func invalid(field, message string) error {
	return &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid draft", Fields: []worklog.FieldError{{Field: field, Message: message}}}
}

// owner finds whom a draft is written for. Known remembers the addresses of one request.
func (s *Service) owner(ctx context.Context, p *account.Principal, d *worklog.Draft, known map[string]account.User) (account.User, error) {
	if d.User == "" {
		return p.User, nil
	}
	if !p.Can(account.ScopeWriteAny) {
		return account.User{}, invalid("user", `needs a token with the right "write:any"`)
	}
	if u, ok := known[d.User]; ok {
		return u, nil
	}
	u, _, err := s.users.UserByEmail(ctx, d.User)
	if worklog.CodeOf(err) == worklog.CodeNotFound || (err == nil && u.Disabled) {
		return account.User{}, invalid("user", "no such user")
	}
	if err != nil {
		return account.User{}, err
	}
	known[d.User] = u
	return u, nil
}

// refuse answers an invalid draft.
func (s *Service) refuse(r *request, i int, owner int64, err *worklog.Error) {
	r.receipts[i] = worklog.Receipt{Outcome: worklog.OutcomeInvalid, Reason: err.Message, Errors: slices.Clone(err.Fields)}
	r.refused = append(r.refused, owner)
}

// countRefused counts what was refused for its writers: when the answer says so, and not when it says that the whole
// request is to be sent again.
func (s *Service) countRefused(r *request) {
	for _, owner := range r.refused {
		s.countLate(owner, worklog.OutcomeInvalid)
		s.metrics.count(worklog.OutcomeInvalid)
	}
	r.refused = nil
}

// Refused counts n drafts of p that a door could not even read.
func (s *Service) Refused(p *account.Principal, n int) {
	if n <= 0 {
		return
	}
	s.metrics.invalid.Add(int64(n))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.count(p.User.ID, worklog.OutcomeInvalid, int64(n), s.now())
	s.signal()
}

// Skipped counts n records of a foreign format that say nothing an entry could show.
func (s *Service) Skipped(n int) { s.metrics.skipped.Add(int64(n)) }

// add queues a valid draft in r. What it returns is valid until the next one.
func (r *request) add(i int, d *worklog.Draft, owner int64, p *account.Principal, now time.Time) *draft {
	w := store.Write{
		Owner: owner, EntryID: uuid.Must(uuid.NewV7()).String(), Key: d.Key, Conversation: d.Conversation, ConversationID: store.CanonicalID(d.ConversationID),
		ConversationTitle: d.ConversationTitle, Facts: change.Of(d, now),
	}
	x := draft{index: i, write: w, imported: d.LoggedAt != nil && now.Sub(*d.LoggedAt) > importAge}
	if p.Token != nil {
		x.write.TokenID = p.Token.ID
		x.write.OwnOnly = !p.Can(account.ScopeRead) || owner != p.User.ID // it reads and changes its own user's things alone
	}
	if d.Key == "" {
		x.fingerprint = limit.FingerprintOf(d)
	}
	r.drafts = append(r.drafts, x)
	r.bytes += len(d.Title) + len(d.Details) + weight(map[string]any(d.Metadata))
	return &r.drafts[len(r.drafts)-1]
}

// valueCost is about what a value of metadata takes besides its text, for the bounds of queue and batch.
const valueCost = 64

// weight is about how many bytes a valid value of metadata holds on to, whatever its shape.
func weight(v any) int {
	n := valueCost
	switch v := v.(type) {
	case string:
		n += len(v)
	case json.Number:
		n += len(v)
	case json.RawMessage:
		n += len(v)
	case worklog.Metadata:
		return weight(map[string]any(v))
	case map[string]any:
		for k, x := range v {
			n += len(k) + weight(x)
		}
	case []any:
		for _, x := range v {
			n += weight(x)
		}
	}
	return n
}

// reserveImports takes n places of the import budget, all or none. A token has one budget, whoever it writes for.
func (s *Service) reserveImports(r *request, p *account.Principal, n int) error {
	if n == 0 {
		return nil
	}
	w := limit.Window{Owner: p.User.ID}
	if p.Token != nil {
		w.Token = p.Token.ID
	}
	res, retry := s.limiter.ReserveImport(w, n)
	if res.N < n {
		s.limiter.Release(res, res.N)
		return &worklog.Error{Code: worklog.CodeRateLimited, Message: "the import budget of this minute is used up; nothing of this request was stored", RetryAfter: max(retry, time.Second)}
	}
	r.imports = res
	return nil
}

// run queues r and waits for its commit.
func (s *Service) run(ctx context.Context, r *request) error {
	if err := s.enqueue(r); err != nil {
		s.limiter.Release(r.imports, r.imports.N)
		return err
	}
	timer := time.NewTimer(s.answerTimeout)
	defer timer.Stop()
	select {
	case <-r.done:
		if r.err == nil {
			s.countRefused(r)
		}
		return r.err
	case <-timer.C:
		return unavailable("the commit takes too long", nil)
	case <-ctx.Done(): // the caller is gone; the drafts may still be stored
		return unavailable("the request ended before the commit", ctx.Err())
	}
}

func (s *Service) enqueue(r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return unavailable("the server is stopping", nil)
	case len(s.queue) > 0 && (s.drafts+len(r.drafts) > maxQueuedDrafts || s.bytes+r.bytes > maxQueuedBytes): // a large one goes alone
		return unavailable("too many drafts are waiting", nil)
	}
	r.queued = s.now()
	s.queue = append(s.queue, r)
	s.drafts += len(r.drafts)
	s.bytes += r.bytes
	s.signal()
	return nil
}

// signal wakes the committer.
func (s *Service) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func unavailable(message string, cause error) error {
	return &worklog.Error{Code: worklog.CodeUnavailable, Message: message + "; retry with the same key", RetryAfter: RetryAfter, Err: cause}
}
