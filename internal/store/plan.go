package store

import (
	"maps"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

// plan is one batch on its way through the transaction.
type plan struct {
	batch   Batch
	owners  []int64 // ascending
	results []Result
	// transaction is its number in PostgreSQL (xid8).
	transaction string

	stats         map[int64]*statsRow // of the owners that could be locked: their last rev
	closed        map[int64]bool      // owners who are erased: nothing of theirs is written any more
	deltas        map[int64]*statsRow
	room          map[int64]int64     // bytes that each owner may write today
	entries       map[entryKey]*state // by key and by id
	conversations map[conversationKey]*conversationState
	inserts       []*state
	updates       []*state
	touched       []*conversationState
	tools         toolTimes
	kept          []*conversationState
}

// entryKey finds an entry of an owner by key, or by id when the key is empty.
type entryKey struct {
	owner   int64
	key, id string
}

// conversationKey finds a conversation of an owner by key, or by id when the key is empty.
type conversationKey struct {
	owner   int64
	key, id string
}

// state is an entry that exists or is about to.
type state struct {
	row     Row
	before  worklog.Status // as it stood before the batch; empty when new
	size    int64          // bytes before the batch
	meta    string         // the metadata as JSON, once encode has run
	hidden  bool           // its conversation is being deleted
	changed bool
	write   int // the index of the write that made it, for new ones
}

// encode writes the metadata as JSON and returns what the entry counts towards its owner's bytes.
func (st *state) encode() int64 {
	st.meta = metadataJSON(st.row.Metadata)
	return int64(len(st.row.Title) + len(st.row.Details) + jsonbSize(st.meta))
}

// conversationState is a conversation that writes of the batch belong to.
type conversationState struct {
	owner                    int64
	id, key, title           string
	isNew, keep              bool
	touched                  bool
	entries, working, errors int64 // changes of the counters
	asking                   int64 // as well
	turn                     Turn
	askedBy                  string
	turnAt, promptedAt       time.Time
	lastStatus               worklog.Status
	lastAt                   time.Time
	createdAt                time.Time
}

func newPlan(b Batch) *plan {
	p := &plan{
		batch: b, results: make([]Result, len(b.Writes)), stats: map[int64]*statsRow{}, closed: map[int64]bool{}, deltas: map[int64]*statsRow{},
		room:    map[int64]int64{},
		entries: map[entryKey]*state{}, conversations: map[conversationKey]*conversationState{},
		tools: toolTimes{known: map[toolKey]time.Duration{}, records: map[toolKey]time.Duration{}},
	}
	for i := range b.Writes {
		p.owners = append(p.owners, b.Writes[i].Owner)
	}
	p.owners = slices.AppendSeq(p.owners, maps.Keys(b.Counts))
	p.owners = slices.AppendSeq(p.owners, maps.Keys(b.Noted))
	slices.Sort(p.owners)
	p.owners = slices.Compact(p.owners)
	return p
}

func (p *plan) locked() (owners []int64) {
	for _, owner := range p.owners {
		if p.stats[owner] == nil {
			owners = append(owners, owner)
		}
	}
	return owners
}

// decide gives every write its outcome and collects what to insert, update and count.
func (p *plan) decide() {
	for owner, st := range p.stats {
		if p.closed[owner] {
			continue
		}
		delta := &statsRow{OwnerID: owner, LastRev: st.LastRev, LimitedNoted: p.batch.Noted[owner]}
		delta.addCounts(p.batch.Counts[owner])
		p.deltas[owner] = delta
	}
	for i := range p.batch.Writes {
		w := &p.batch.Writes[i]
		if p.stats[w.Owner] == nil {
			continue
		}
		if p.closed[w.Owner] {
			p.results[i] = Result{Outcome: worklog.OutcomeInvalid, Error: worklog.Errorf(worklog.CodeInvalid, "this user is erased"), NoSuch: w.Patch || w.Repeats > 0}
			continue
		}
		r := p.apply(i, w)
		p.results[i] = r
		if w.Keep {
			p.keep(r.Row)
		}
		if w.Repeats == 0 && !r.NoSuch && (r.Outcome == worklog.OutcomeStored || !w.Note) {
			var c worklog.Counts
			c.Add(r.Outcome, 1)
			p.deltas[w.Owner].addCounts(c)
		}
	}
	for _, st := range p.updates {
		p.number(st)
	}
	p.finishResults()
}

// number gives a changed entry its next rev and counts the change of its size.
func (p *plan) number(st *state) {
	d := p.deltas[st.row.Owner]
	d.LastRev++
	st.row.Rev = d.LastRev
	st.row.UpdatedAt = p.batch.Now
	d.weigh(st.row.StorageStatus, -st.size)
	if st.row.ArchiveName == "" && st.row.StorageStatus != worklog.StorageHot { // it has its details in full again
		d.count(st.row.StorageStatus, -1)
		d.count(worklog.StorageHot, 1)
		st.row.StorageStatus = worklog.StorageHot
	}
	d.weigh(st.row.StorageStatus, st.encode())
}

// finishResults copies the final rows into the results: a later write of the batch may have changed them.
func (p *plan) finishResults() {
	for i := range p.results {
		r := &p.results[i]
		if r.Row.ID == "" {
			continue
		}
		if st := p.entries[entryKey{owner: r.Row.Owner, id: r.Row.ID}]; st != nil {
			r.Row = st.row
			r.Row.DetailsBytes = len(st.row.Details)
		}
	}
}

func (p *plan) apply(i int, w *Write) Result {
	if w.Patch || w.Repeats > 0 {
		named := entryKey{owner: w.Owner, id: w.EntryID}
		if w.EntryID == "" {
			named.key = w.Key
		}
		st := p.entries[named]
		if st == nil {
			return Result{NoSuch: true}
		}
		if w.Repeats > 0 {
			st.row.Repeats += w.Repeats
			p.markUpdated(st)
			return Result{Outcome: worklog.OutcomeMerged, Row: st.row}
		}
		return p.change(w, st)
	}
	conv, err := p.conversation(w)
	if w.Key != "" {
		if st := p.entries[entryKey{owner: w.Owner, key: w.Key}]; st != nil {
			if st.elsewhere(w, conv) {
				return Result{Outcome: worklog.OutcomeInvalid, Error: fieldError("key", "belongs to an entry of another conversation")}
			}
			return p.change(w, st)
		}
	}
	if err != nil {
		return Result{Outcome: worklog.OutcomeInvalid, Error: err}
	}
	if !w.Note && p.batch.Admit != nil && !p.batch.Admit(i) {
		r := Result{Outcome: worklog.OutcomeLimited}
		if conv != nil {
			r.Row.ConversationID = conv.id
		}
		return r
	}
	if conv == nil && w.Conversation != "" && !w.Note {
		conv = p.makeConversation(w)
	}
	return p.insert(i, w, conv)
}

// elsewhere reports that a write names another conversation than that of the entry with its key. An entry whose
// conversation is deleted belongs to none from that moment on, and an id that names none any more says nothing.
func (st *state) elsewhere(w *Write, conv *conversationState) bool {
	at := st.row.ConversationID
	if at == "" || st.hidden || conv != nil && conv.id == at {
		return false
	}
	return conv != nil || w.Conversation != ""
}

func fieldError(field, message string) *worklog.Error {
	return &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid draft", Fields: []worklog.FieldError{{Field: field, Message: message}}}
}

// change lets a write change an entry that exists.
func (p *plan) change(w *Write, st *state) Result {
	if w.OwnOnly && st.row.TokenID != w.TokenID {
		return Result{Outcome: worklog.OutcomeInvalid, Refused: true, Error: fieldError("key", "belongs to an entry that this token did not write")}
	}
	if w.RunningOnly && st.row.Status != worklog.StatusWorking {
		return Result{Outcome: worklog.OutcomeInvalid, Refused: true, Error: fieldError("status", "has ended already: "+string(st.row.Status))}
	}
	before, asked, redacted := st.row.Status, asking(&st.row), st.row.Redacted
	frozen, had := st.row.Title, st.row.Details
	facts := w.Facts
	if len(facts.Details) > len(st.row.Details) { // else they change nothing
		facts.Details = p.fit(w.Owner, facts.Details)
	}
	if st.row.ArchiveName != "" { // not missing, but elsewhere: what is there wins
		facts.Details, facts.Metadata = "", nil
	}
	changed := change.Apply(&st.row.Entry, &st.row.Marks, facts)
	p.took(w.Owner, had, st.row.Details, w.Facts.Details)
	if st.row.ArchiveName != "" {
		st.row.Redacted = redacted // most of what was counted is not here
	}
	p.deltas[w.Owner].Redacted += int64(max(st.row.Redacted-redacted, 0))
	if w.Note && w.Facts.Title != frozen {
		st.row.Title, st.row.EndedAt = w.Facts.Title, w.Facts.EndedAt
		changed = true
	}
	if !changed {
		return Result{Outcome: worklog.OutcomeUnchanged, Row: st.row}
	}
	p.markUpdated(st)
	if before == worklog.StatusWorking && st.row.Status != before {
		p.tools.teach(&st.row, asked > 0)
	}
	p.countStatus(w, st, before, asked)
	return Result{Outcome: worklog.OutcomeUpdated, Row: st.row}
}

func (p *plan) markUpdated(st *state) {
	if st.before != "" && !st.changed { // an entry that the batch itself inserts already has its rev
		st.changed = true
		p.updates = append(p.updates, st)
	}
}

// countStatus keeps the conversation's counters right when an entry's status changes.
func (p *plan) countStatus(w *Write, st *state, before worklog.Status, asked int64) {
	if st.row.ConversationID == "" {
		return
	}
	conv := p.conversations[conversationKey{owner: st.row.Owner, id: st.row.ConversationID}]
	if conv == nil {
		conv = &conversationState{owner: st.row.Owner, id: st.row.ConversationID}
		p.conversations[conversationKey{owner: conv.owner, id: conv.id}] = conv
	}
	conv.count(before, -1)
	conv.count(st.row.Status, 1)
	conv.asking += asking(&st.row) - asked
	conv.move(w.Move)
	p.touch(conv, st)
}

func (c *conversationState) count(s worklog.Status, n int64) {
	switch s {
	case worklog.StatusWorking:
		c.working += n
	case worklog.StatusError:
		c.errors += n
	}
}

// touch notes that an entry of the conversation changed now.
func (p *plan) touch(c *conversationState, st *state) {
	c.lastStatus = st.row.Status
	at := p.batch.Now
	if st.before == "" && st.row.LoggedAt.Before(at) {
		at = st.row.LoggedAt // an import does not make a conversation look alive
	}
	if at.After(c.lastAt) {
		c.lastAt = at
	}
	if !c.touched {
		c.touched = true
		p.touched = append(p.touched, c)
	}
}

// conversation returns the conversation that a write names; nil when it names none, or one by a key that is new.
func (p *plan) conversation(w *Write) (*conversationState, *worklog.Error) {
	switch {
	case w.ConversationID != "":
		c := p.conversations[conversationKey{owner: w.Owner, id: w.ConversationID}]
		if c == nil && !w.Note {
			return nil, fieldError("conversation_id", "no such conversation")
		}
		return c, nil
	case w.Conversation != "":
		return p.conversations[conversationKey{owner: w.Owner, key: w.Conversation}], nil
	}
	return nil, nil
}

func (p *plan) makeConversation(w *Write) *conversationState {
	c := &conversationState{owner: w.Owner, id: newID(), key: w.Conversation, title: w.ConversationTitle, isNew: true, createdAt: p.batch.Now}
	p.conversations[conversationKey{owner: w.Owner, key: c.key}] = c
	p.conversations[conversationKey{owner: w.Owner, id: c.id}] = c
	return c
}

// insert makes a new entry. Seq and rev are the owner's next number.
func (p *plan) insert(i int, w *Write, conv *conversationState) Result {
	d := p.deltas[w.Owner]
	d.LastRev++
	f := &w.Facts
	f.Details = p.fitNew(w.Owner, f.Details)
	d.Redacted += int64(f.Redacted)
	st := &state{write: i, row: Row{
		Owner: w.Owner, TokenID: w.TokenID, Marks: change.Marks{Inferred: f.Inferred && f.Status.Final(), Redacted: f.Redacted},
		Entry: worklog.Entry{
			ID: w.EntryID, Seq: d.LastRev, Rev: d.LastRev, Key: w.Key, Parent: f.Parent, Type: f.Type, Status: f.Status,
			StorageStatus: worklog.StorageHot, Tool: f.Tool, Title: f.Title, Details: f.Details, Metadata: f.Metadata, Source: f.Source,
			Repeats: 1, StartedAt: f.StartedAt, EndedAt: f.EndedAt, LoggedAt: f.LoggedAt, CreatedAt: p.batch.Now, UpdatedAt: p.batch.Now,
		},
	}}
	change.Begin(&st.row.Entry)
	if st.row.Status == worklog.StatusWorking {
		st.row.AskedAt, st.row.SilentAfter = f.AskedAt, p.tools.patience(toolKey{w.Owner, f.Tool})
	}
	if conv != nil {
		st.row.ConversationID = conv.id
		conv.entries++
		conv.count(st.row.Status, 1)
		conv.asking += asking(&st.row)
		conv.move(w.Move)
		if conv.title == "" {
			conv.title = w.ConversationTitle
		}
		p.touch(conv, st)
	}
	p.inserts = append(p.inserts, st)
	p.entries[entryKey{owner: w.Owner, id: w.EntryID}] = st
	if w.Key != "" {
		p.entries[entryKey{owner: w.Owner, key: w.Key}] = st
	}
	d.Hot++
	if d.LastLoggedAt == nil || st.row.LoggedAt.After(*d.LastLoggedAt) {
		d.LastLoggedAt = &st.row.LoggedAt
	}
	return Result{Outcome: worklog.OutcomeStored, Row: st.row}
}
