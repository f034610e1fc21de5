// Package outbox hands an agent's events to a server without ever making the agent wait: what the server does not take at
// once stays on disk, and is delivered later, in order, by a process that nobody waits for.
//
// A hook is a process of its own that lives for milliseconds, and fifty may write at the same moment. Hence, unlike the
// server's spool, an outbox is a directory with one file per event, written beside it and renamed into it: nobody needs
// a lock to add one. The name says when the event came, how long it is, and how its delivery is called, so that one that
// is delivered twice is stored once.
//
// Events wait as they came, secrets included, in files that only their owner can read, beside the transcripts in which the
// agent itself keeps the same: only the server knows what is to be redacted, and needs the text as it came to know it again.
package outbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/spool"
)

const (
	// MaxBody is the longest event that a server takes.
	MaxBody = 16 << 20
	// HandTimeout is how long Hand takes at most, of the 300 ms that an agent is promised: a process needs some to start.
	HandTimeout = 200 * time.Millisecond
	// answerSoon is how long a server that is well takes at most: after it the event goes to disk while the answer is still
	// awaited, so that a process which ends in the middle loses nothing. directTimeout is when it is awaited no longer.
	answerSoon    = 25 * time.Millisecond
	directTimeout = 130 * time.Millisecond
	// tryTimeout is when nobody can be trying to hand over an event directly any more, and it waits like the others.
	tryTimeout = 2 * time.Second
	// maxEvents and maxBytes bound what waits for one server.
	maxEvents = 20_000
	maxBytes  = 64 << 20
	// postTimeout bounds a delivery that nobody waits for.
	postTimeout = 15 * time.Second
	// maxAgent bounds the name of an agent, which becomes part of a file's.
	maxAgent    = 32
	suffix      = ".json"
	tryPrefix   = ".try-" // of events whose process is still waiting for the server
	lockName    = "lock"
	droppedName = "dropped"
)

// Options say where events go.
type Options struct {
	Dir   string // of all outboxes
	URL   string // of the server
	Token string
	Agent string // whose hook hands over; empty: nobody knows. In lower-case letters and hyphens, or it is nobody
	// Deliver starts a process that calls Deliver, and does not wait for it.
	Deliver func() error
	// Patience is for whoever waits for the hook longer than an agent does, for the server as for the disk. 0: as an agent.
	Patience time.Duration
	Client   *http.Client     // nil: one of its own
	Now      func() time.Time // nil: time.Now
}

// Outbox is where the events for one server and token wait.
type Outbox struct {
	dir     string
	url     string
	token   string
	agent   string
	deliver func() error
	client  *http.Client
	now     func() time.Time
	// soon, direct and all are the timeouts answerSoon, directTimeout and HandTimeout.
	soon, direct, all time.Duration
	longest           time.Duration   // of the pauses of the delivery
	settled           map[string]bool // by id, what waits and has reached the disk itself, as far as a delivery knows
}

// New returns an outbox. Its directory is made when something has to wait.
func New(o Options) *Outbox {
	x := &Outbox{
		dir: filepath.Join(o.Dir, name(o.URL, o.Token)), url: strings.TrimRight(o.URL, "/") + "/api/v1/hooks", token: o.Token, deliver: o.Deliver, client: o.Client, now: o.Now,
		soon: answerSoon, direct: directTimeout, all: HandTimeout,
	}
	if o.Patience > 0 {
		x.soon, x.direct, x.all = o.Patience, o.Patience, o.Patience
	}
	if strings.Trim(o.Agent, "abcdefghijklmnopqrstuvwxyz-") == "" && len(o.Agent) <= maxAgent {
		x.agent = o.Agent
	}
	if x.client == nil { // a proxy for the world outside may not know a server in the house; redirects lose the body
		x.client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if x.now == nil {
		x.now = time.Now
	}
	return x
}

// name is the name of the directory for a server and token; neither can be read from it.
func name(server, token string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(server, "/") + "\n" + token))
	return hex.EncodeToString(sum[:10])
}

// Adopt takes over what waits for another token of the same server: it was replaced by this one.
func (o *Outbox) Adopt(root, oldToken string) error {
	server := strings.TrimSuffix(o.url, "/api/v1/hooks")
	old := filepath.Join(root, name(server, oldToken))
	waiting, err := (&Outbox{dir: old, now: o.now}).waiting()
	if err != nil || len(waiting) == 0 || old == o.dir {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	for _, w := range waiting {
		if err := os.Rename(filepath.Join(old, w.file), filepath.Join(o.dir, w.name())); err != nil {
			return err
		}
	}
	return nil
}

// Hand hands over one event within HandTimeout, or as long as it may take: to the server, else to the disk. What it returns is only for the curious.
func (o *Outbox) Hand(ctx context.Context, raw []byte) error {
	ctx, cancel := context.WithTimeout(ctx, o.all)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- o.hand(ctx, raw) }() // a disk that hangs can not be told to stop; the process ends, and it with it
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the event could not be kept in time: %w", ctx.Err())
	}
}

func (o *Outbox) hand(ctx context.Context, raw []byte) error {
	e := event{at: o.now(), id: rand.Text(), size: int64(len(raw)), agent: o.agent}
	waiting, err := o.waiting()
	if err == nil && len(waiting) == 0 {
		taken, err := o.ask(ctx, e, raw)
		if taken || err != nil {
			return err
		}
		return o.start()
	}
	if err := o.keep(e.name(), e, raw, waiting); err != nil { // behind the others
		return err
	}
	return o.start()
}

// ask hands over an event to the server. Not taken without an error means that it waits.
func (o *Outbox) ask(ctx context.Context, e event, raw []byte) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.direct)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- o.post(ctx, e, raw) }()
	answered := false
	select {
	case err = <-answer:
		if err == nil || isRefused(err) {
			return true, err
		}
		answered = true
	case <-time.After(o.soon):
	}
	kept := o.keep(tryPrefix+e.name(), e, raw, nil)
	if !answered {
		err = <-answer
	}
	path := filepath.Join(o.dir, tryPrefix+e.name())
	switch taken := err == nil || isRefused(err); {
	case taken && kept == nil:
		return true, errors.Join(err, os.Remove(path))
	case taken:
		return true, err
	case kept != nil:
		return false, kept
	}
	return false, os.Rename(path, filepath.Join(o.dir, e.name()))
}

// start starts a delivery unless one is under way: that one looks again before it ends.
func (o *Outbox) start() error {
	if o.deliver == nil {
		return nil
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	lock, err := spool.Lock(ended, filepath.Join(o.dir, lockName))
	if err != nil {
		return nil
	}
	if err := lock.Close(); err != nil {
		return err
	}
	return o.deliver()
}

// event is what the name of a file says.
type event struct {
	file string
	at   time.Time
	id   string
	size int64
	// agent is whose it is: one token may be that of several agents, and any of them may deliver what waits.
	agent string
}

func (e event) name() string {
	return strings.TrimSuffix(fmt.Sprintf("%020d-%s-%d-%s", e.at.UnixNano(), e.id, e.size, e.agent), "-") + suffix
}

func parseName(file string) (e event, ok bool) {
	parts := strings.SplitN(strings.TrimSuffix(strings.TrimPrefix(file, tryPrefix), suffix), "-", 4)
	if !strings.HasSuffix(file, suffix) || len(parts) < 3 {
		return e, false
	}
	nano, err1 := strconv.ParseInt(parts[0], 10, 64)
	size, err2 := strconv.ParseInt(parts[2], 10, 64)
	e = event{file: file, at: time.Unix(0, nano), id: parts[1], size: size}
	if len(parts) == 4 {
		e.agent = parts[3]
	}
	return e, err1 == nil && err2 == nil
}

// waiting lists what waits, oldest first.
func (o *Outbox) waiting() ([]event, error) {
	entries, err := os.ReadDir(o.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []event
	for _, entry := range entries {
		e, ok := parseName(entry.Name())
		if ok && strings.HasPrefix(e.file, tryPrefix) && o.now().Sub(e.at).Abs() < tryTimeout { // its process does that
			continue
		}
		if ok {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	return events, nil
}

// keep writes an event to the disk under a name, as a whole or not at all. When there is no room it is counted instead.
//
// It does not wait for the disk itself, which can take longer than an agent may: from here on a crash of the machine
// alone could lose the event, until the process that delivers it has seen to that.
func (o *Outbox) keep(name string, e event, raw []byte, waiting []event) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	total := e.size
	for _, w := range waiting {
		total += w.size
	}
	if len(waiting) >= maxEvents || total > maxBytes {
		return errors.Join(errors.New("the outbox is full"), o.drop())
	}
	f, err := os.CreateTemp(o.dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(o.dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// drop counts an event that is lost: one byte each, which no two processes can write to the same place.
func (o *Outbox) drop() error {
	f, err := os.OpenFile(filepath.Join(o.dir, droppedName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(".")
	return errors.Join(err, f.Close())
}

// refused says that the server will never take an event.
type refused struct{ status string }

func (r refused) Error() string { return "the server refuses the event: " + r.status }

func isRefused(err error) bool {
	_, ok := errors.AsType[refused](err)
	return ok
}

// errDenied says that the token is no good. A person has to do something; until then the events wait.
var errDenied = errors.New("the server does not accept the token")

// errFailed says that the server has failed at the event: it is broken, or the event is more than it can bear.
var errFailed = errors.New("the server fails at the event")

// errSlowDown says that the server wants to be asked later.
type errSlowDown struct{ wait time.Duration }

func (e errSlowDown) Error() string { return "the server is busy, again in " + e.wait.String() }

// post sends an event.
func (o *Outbox) post(ctx context.Context, e event, raw []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", e.id)
	req.Header.Set("Worklog-Event-Time", e.at.UTC().Format(time.RFC3339Nano))
	if e.agent != "" {
		req.Header.Set("Worklog-Agent", e.agent)
	}
	res, err := o.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	return judge(res)
}

// judge reads the answer to an event. The door says 204 alone when it has taken one: a page that says 200 is a proxy's, or
// another program's. What neither takes nor refuses the event for good is asked again later.
func judge(res *http.Response) error {
	if to := led(res); to != nil {
		return fmt.Errorf("the server's address leads to %s://%s", to.Scheme, to.Host)
	}
	switch res.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return refused{res.Status}
	case http.StatusUnauthorized, http.StatusForbidden:
		return errDenied
	case http.StatusInternalServerError:
		return errFailed
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		return errSlowDown{time.Duration(s) * time.Second}
	}
	return fmt.Errorf("the server answers %s", res.Status)
}

// led returns where a redirect leads, or has led a request that it has made a question of; nil: res answers the event.
func led(res *http.Response) *url.URL {
	if res.StatusCode/100 == 3 {
		to, _ := res.Location() // none: the answer is an error like others
		return to
	}
	if res.Request != nil && res.Request.Method != http.MethodPost {
		return res.Request.URL
	}
	return nil
}
