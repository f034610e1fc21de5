package worklog

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

// Step is one piece of work that is reported when it starts and when it ends: one entry, which completes in place.
//
//	step := client.Start(ctx, worklog.Draft{Title: "npm test", Tool: "Bash", Conversation: "session-1"})
//	cmd.Stdout = step
//	step.End(ctx, cmd.Run())
//
// Its methods are safe for concurrent use. They report like [Client.Log] and fail like it; a step whose start was lost
// is still reported in full when it ends, and an end that failed can be told again.
type Step struct {
	c *Client

	mu    sync.Mutex
	draft Draft
	out   []byte // written by Write, bounded
	cut   int    // bytes that found no room in out
	ended bool
	endAt time.Time // when the end was first told; zero: it was not
	err   error     // of the start
}

// Start reports a step as working. The draft's Status is ignored, Key and StartedAt are filled in when they are empty.
func (c *Client) Start(ctx context.Context, d Draft) *Step {
	d.Status = StatusWorking
	if d.Key == "" {
		d.Key = rand.Text()
	}
	if d.StartedAt == nil {
		now := time.Now()
		d.StartedAt = &now
	}
	s := &Step{c: c, draft: d, out: []byte(d.Details)}
	s.draft.Metadata, _, _ = d.Metadata.freeze()
	s.err = c.Log(ctx, d)
	return s
}

// Start reports a part of s as working: of the same user, in the same conversation, below s.
func (s *Step) Start(ctx context.Context, d Draft) *Step {
	d.User, d.Parent, d.Conversation, d.ConversationID = s.draft.User, s.draft.Key, s.draft.Conversation, s.draft.ConversationID
	return s.c.Start(ctx, d)
}

// Key is the key of the step's entry.
func (s *Step) Key() string { return s.draft.Key }

// Err is the error of reporting the start, nil when it was taken.
func (s *Step) Err() error { return s.err }

// Write adds p to the details, up to their bound; the rest is counted. It never fails, so that a command whose output
// goes here does not either. Nothing is reported until Update or the end.
func (s *Step) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := max(0, min(len(p), MaxDetailsBytes-len(s.out)))
	s.out = append(s.out, p[:room]...)
	s.cut += len(p) - room
	return len(p), nil
}

// Set adds a fact to the metadata. It is reported with the next Update or the end.
func (s *Step) Set(name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draft.Metadata == nil {
		s.draft.Metadata = Metadata{}
	}
	s.draft.Metadata[name] = frozen(value)
}

// Update reports what was written and set so far, while the step goes on.
func (s *Step) Update(ctx context.Context) error {
	d, ok := s.snapshot(StatusWorking, "")
	if !ok {
		return nil
	}
	return s.c.Log(ctx, d)
}

// Done reports that the step succeeded.
func (s *Step) Done(ctx context.Context) error { return s.end(ctx, StatusSuccess, "") }

// Warn reports that the step ended differently from what was planned, and how.
func (s *Step) Warn(ctx context.Context, reason string) error {
	return s.end(ctx, StatusWarning, reason)
}

// Fail reports that the step failed; err, unless nil, is told in the details.
func (s *Step) Fail(ctx context.Context, err error) error {
	if err == nil {
		return s.end(ctx, StatusError, "")
	}
	return s.end(ctx, StatusError, err.Error())
}

// End is Done when err is nil, else Fail.
func (s *Step) End(ctx context.Context, err error) error {
	if err == nil {
		return s.Done(ctx)
	}
	return s.Fail(ctx, err)
}

// end reports the end. A step ends once: what comes after an end that was taken says nothing.
func (s *Step) end(ctx context.Context, status Status, reason string) error {
	d, ok := s.snapshot(status, reason)
	if !ok {
		return nil
	}
	err := s.c.Log(ctx, d)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = false
	}
	return err
}

// snapshot returns the draft to report, and false when the step has ended before. The draft shares nothing with s.
func (s *Step) snapshot(status Status, reason string) (Draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return Draft{}, false
	}
	d := s.draft
	d.Metadata, _, _ = d.Metadata.freeze() // what it breaks is told by Log
	d.Status = status
	d.Details = s.details(reason)
	if status.Final() {
		s.ended = true
		if s.endAt.IsZero() {
			s.endAt = time.Now()
		}
		d.EndedAt = new(s.endAt)
	}
	return d, true
}

// details is what was written, and why the step ended as it did. What finds no room is taken from the output, and counted:
// the reason matters more.
func (s *Step) details(reason string) string {
	total := len(s.out) + s.cut
	reason = cleanText(reason)
	if total == 0 {
		return reason
	}
	tail := reason
	if reason != "" {
		tail = "\n" + reason
	}
	if text := cleanText(string(s.out)); s.cut == 0 && len(text)+len(tail) <= MaxDetailsBytes {
		return text + tail
	}
	most := MaxDetailsBytes - len(moreBytes(total)) // no smaller number is longer
	if len(tail) >= most {
		return cutAt(reason, most) + moreBytes(total)
	}
	kept := clearBytes(s.out, most-len(tail))
	return cleanText(string(s.out[:kept])) + moreBytes(total-kept) + tail
}

func moreBytes(n int) string { return fmt.Sprintf("\n[%d more bytes]", n) }

// clearBytes is how many bytes of b may be kept so that they are no more than room when they are clean.
func clearBytes(b []byte, room int) int {
	kept := 0
	for kept < len(b) {
		r, size := utf8.DecodeRune(b[kept:])
		if r == 0 {
			r = utf8.RuneError // which stands for what is no text as well
		}
		if room -= utf8.RuneLen(r); room < 0 {
			break
		}
		kept += size
	}
	return kept
}
