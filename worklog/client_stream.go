package worklog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	streamPath = "/api/v1/stream"
	// maxEventBytes bounds one event: an entry with full details and metadata, all of it escaped.
	maxEventBytes = 4 << 20
	// streamIdle is how long a stream may be silent before it counts as dead: the server pings three times as often.
	streamIdle = 65 * time.Second
)

// FromNow, as After of a [StreamQuery], skips what exists and waits for what comes.
const FromNow = -1

// StreamQuery says what to follow.
type StreamQuery struct {
	Conversation   string // the key of a conversation of the token's user
	ConversationID string // or its id; neither: everything of the token's user
	// After is the rev to go on from: the Cursor of a page, or the Rev of the last entry. 0 begins with the oldest entry.
	After int64
	// Retrying is called when the stream broke, with the reason and the pause before the next attempt. nil: nobody is told.
	Retrying func(err error, pause time.Duration)
}

// Stream follows entries as they are stored and change, each as it is then, in the order of their revs. A running step
// comes again when it ends. A broken stream resumes where it was, without gap and without repeating, for as long as ctx
// lives: that ends the iteration silently. What retrying can not mend (no right, no such conversation) is yielded as
// the last error.
func (c *Client) Stream(ctx context.Context, q StreamQuery) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := stream{c: c, q: q, cursor: q.After, yield: yield}
		for try := 0; ; try++ {
			before, began := s.cursor, time.Now()
			err := s.attempt(ctx)
			switch {
			case s.stopped || ctx.Err() != nil:
				return
			case !transient(err):
				yield(Entry{}, err)
				return
			case s.cursor > before || time.Since(began) > streamIdle: // it was well, however little there was to tell
				try = 0
			}
			d := pause(try, err)
			if q.Retrying != nil {
				q.Retrying(err, d)
			}
			if !sleep(ctx, d) {
				return
			}
		}
	}
}

// transient reports whether a stream that ended with err may work again later. The server ends every stream once an hour.
func transient(err error) bool {
	switch CodeOf(err) {
	case CodeUnavailable, CodeRateLimited, CodeInternal:
		return true
	}
	return false
}

// stream is the state of one Stream over its attempts.
type stream struct {
	c       *Client
	q       StreamQuery
	cursor  int64  // every change up to here has been yielded, or is none of this stream
	lastID  string // the id of the last event, as the server wrote it
	yield   func(Entry, error) bool
	stopped bool // the caller has left the loop
}

// attempt opens a stream and yields its entries until it ends. The error is never nil unless the caller left.
func (s *stream) attempt(ctx context.Context) error {
	if s.cursor == FromNow {
		p, err := s.c.Entries(ctx, Query{Conversation: s.q.Conversation, ConversationID: s.q.ConversationID, Limit: 1})
		if err != nil {
			return err
		}
		s.cursor = p.Cursor
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(s.c.timeout, cancel) // for the answer to begin; then for every event
	defer silence.Stop()
	res, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return s.read(res.Body, func() { silence.Reset(streamIdle) })
}

func (s *stream) open(ctx context.Context) (*http.Response, error) {
	v := url.Values{"after": {strconv.FormatInt(s.cursor, 10)}}
	set(v, "conversation", s.q.Conversation)
	set(v, "conversation_id", s.q.ConversationID)
	x := call{method: http.MethodGet, path: streamPath, query: v, lastEventID: s.lastID}
	res, err := s.c.send(ctx, x)
	if err != nil {
		return nil, clean(err)
	}
	if res.StatusCode == http.StatusOK && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 == 2 {
		return nil, Errorf(CodeUnavailable, "the server's answer is no event stream")
	}
	return nil, x.problem(res, body)
}

// read yields the entries of an event stream until it ends.
func (s *stream) read(body io.Reader, alive func()) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 16<<10), maxEventBytes)
	var ev event
	for alive(); lines.Scan(); alive() {
		if len(lines.Bytes()) > 0 {
			if err := ev.field(lines.Bytes()); err != nil {
				return err
			}
			continue
		}
		if err := s.dispatch(&ev); err != nil || s.stopped {
			return err
		}
		ev.reset()
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return Errorf(CodeMalformed, "an event of the stream is longer than %d bytes", maxEventBytes)
	}
	return broken(cmpErr(lines.Err(), io.ErrUnexpectedEOF))
}

func cmpErr(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// dispatch takes one event. Of events that this client does not know the id counts all the same: it moves over changes
// that are not part of this stream.
func (s *stream) dispatch(ev *event) error {
	if ev.name == "entry" {
		if err := s.entry(ev); err != nil || s.stopped {
			return err
		}
	}
	if ev.name == "bye" {
		return farewell(string(ev.data))
	}
	if id, err := strconv.ParseInt(ev.id, 10, 64); err == nil && id >= s.cursor {
		s.cursor, s.lastID = id, ev.id
	}
	return nil
}

// farewell is why the server ended a stream for good.
func farewell(reason string) error {
	switch reason {
	case "signed-out":
		return Errorf(CodeUnauthorized, "the token has ended")
	case "gone":
		return Errorf(CodeNotFound, "the conversation is gone")
	}
	return Errorf(CodeForbidden, "the server ended the stream: %.200s", reason)
}

func (s *stream) entry(ev *event) error {
	var e Entry
	if err := json.Unmarshal(ev.data, &e); err != nil {
		return &Error{Code: CodeMalformed, Message: "an event of the stream is not an entry", Err: err}
	}
	if e.Rev <= s.cursor { // a repetition
		return nil
	}
	if s.stopped = !s.yield(e, nil); !s.stopped {
		s.cursor = e.Rev
	}
	return nil
}

// event is one event of a stream as far as it was read.
type event struct {
	name, id string
	data     []byte
}

func (ev *event) reset() { ev.name, ev.id, ev.data = "", "", ev.data[:0] }

// field takes one line that is not empty. Comments have no name.
func (ev *event) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		ev.name = string(value)
	case "id":
		ev.id = string(value)
	case "data":
		if len(ev.data)+len(value) > maxEventBytes {
			return Errorf(CodeMalformed, "an event of the stream is longer than %d bytes", maxEventBytes)
		}
		if len(ev.data) > 0 {
			ev.data = append(ev.data, '\n')
		}
		ev.data = append(ev.data, value...)
	}
	return nil
}
