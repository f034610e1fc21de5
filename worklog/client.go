package worklog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Defaults of a [Client].
const (
	// DefaultTimeout bounds every call, its retries included.
	DefaultTimeout = 10 * time.Second
	// maxAnswerBytes bounds what a call reads of an answer: a page of entries, or the receipts of a request.
	maxAnswerBytes = 32 << 20
	// The pause before a retry doubles from minPause to maxPause, unless the server says how long to wait.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	// maxRetryAfter is how many seconds a server may ask for.
	maxRetryAfter = 3600
	// A connection over HTTP/2 from which nothing came for pingAfter is asked for a sign of life, and left without one after
	// pingTimeout. Together they are less than DefaultTimeout: the calls that wait for it have time for another one.
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
)

// Client speaks to a worklog server. Its methods are safe for concurrent use. They never panic and never take longer
// than the client's timeout or the context's deadline, whichever is earlier; [Client.Stream] and [Client.All] apply
// that to every request of theirs. Errors are of type [*Error].
type Client struct {
	base     *url.URL
	baseErr  error
	token    string
	http     *http.Client
	timeout  time.Duration
	source   string
	keyless  bool
	buffered int
	buffer   *buffer // nil: Log waits for the server
}

// Option changes a new [Client].
type Option func(*Client)

// WithHTTPClient makes requests with h, e.g. for a proxy or certificates of one's own. A Timeout of h cuts streams. Its
// transport must end a request with its context, as those of net/http do: nothing else bounds how long a call takes.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) {
		if h != nil {
			c.http = h
		}
	}
}

// WithTimeout bounds every call by d instead of [DefaultTimeout]; 0 or less leaves it at that.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) {
		if d > 0 {
			c.timeout = d
		}
	}
}

// WithSource sets the Source of drafts that have none, e.g. the name of the program.
func WithSource(name string) Option {
	return func(c *Client) { c.source = name }
}

// WithoutKeys leaves drafts without a Key as they are. By default each gets a random one, so that it can be sent again
// after a connection broke without being stored twice. Without one the server merges identical drafts of the same
// second into one entry, and the client only retries what certainly has not arrived.
func WithoutKeys() Option {
	return func(c *Client) { c.keyless = true }
}

// WithBuffer makes [Client.Log], steps and the slog handler put drafts into a queue of at most n, which a goroutine
// sends in batches; they return at once, and what finds no room is dropped and counted: beyond n, or beyond 32 MiB. An n of
// 0 or less is no queue. The program must call [Client.Close] before it ends.
func WithBuffer(n int) Option {
	return func(c *Client) { c.buffered = n }
}

// New returns a client for the server at baseURL, e.g. "http://127.0.0.1:8080", and a token of that server. A baseURL
// that is not one fails every call.
func New(baseURL, token string, options ...Option) *Client {
	c := &Client{token: token, timeout: DefaultTimeout, http: &http.Client{Transport: newTransport()}}
	c.base, c.baseErr = parseBase(baseURL)
	if strings.ContainsFunc(token, unicode.IsControl) {
		c.baseErr = Errorf(CodeUnauthorized, "the token contains control characters")
	}
	for _, o := range options {
		o(c)
	}
	if c.buffered > 0 {
		c.buffer = newBuffer(c, c.buffered)
	}
	return c
}

// newTransport keeps enough idle connections for a program that logs from many goroutines; the default keeps two. By
// default, too, calls that time out over HTTP/2 leave their connection to the next ones, for a quarter of an hour if it is
// dead: where a network or a proxy has forgotten it, nobody says so.
func newTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = 64
	t.IdleConnTimeout = 90 * time.Second
	t.TLSHandshakeTimeout = 5 * time.Second
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return t
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, Errorf(CodeInvalid, "%q is not the address of a server, such as http://127.0.0.1:8080", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// call is one request of the API.
type call struct {
	method string
	path   string
	query  url.Values
	body   []byte
	media  string // of body
	into   any    // what a 2xx answer is decoded into; nil: nothing, it is a 204
	member string // of the answer: one that lacks it is another program's
	// refused takes the receipts that come with an answer that refuses every draft; nil: nobody wants them.
	refused *[]Receipt
	// blind says that the request may not arrive twice: it is only sent again when it certainly did not arrive.
	blind       bool
	single      bool   // the caller retries by itself
	lastEventID string // where a stream goes on
}

// do makes a call and retries it while the server may recover and time is left.
func (c *Client) do(ctx context.Context, x call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for try := 0; ; try++ {
		err := c.once(ctx, x)
		if err == nil || x.single || !x.mayRetry(err) {
			return clean(err)
		}
		d := pause(try, err)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < d || !sleep(ctx, d) { // why wait for nothing
			return clean(err)
		}
	}
}

// mayRetry reports whether x can be sent again after err.
func (x *call) mayRetry(err error) bool {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return false
	case e.Code == CodeRateLimited:
		return true
	case e.Code == CodeUnavailable:
		return !x.blind || neverSent(err)
	}
	return false
}

// neverSent reports that there was no connection to send anything over.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// pause returns how long to wait before the next try: what the server said, or a doubling time, never in step with others.
func pause(try int, err error) time.Duration {
	d := min(minPause<<min(try, 10), maxPause)
	d = d/2 + rand.N(d)
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		d = e.RetryAfter + rand.N(minPause)
	}
	return d
}

// sleep waits for d and reports whether ctx is still alive then.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// once makes one request and reads the whole answer.
func (c *Client) once(ctx context.Context, x call) error {
	res, err := c.send(ctx, x)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return broken(err)
	}
	if res.StatusCode/100 != 2 {
		return x.problem(res, body)
	}
	if x.into == nil && res.StatusCode == http.StatusNoContent {
		return nil
	}
	if x.into == nil || !bytes.Contains(body, strconv.AppendQuote(nil, x.member)) {
		return c.foreign(nil)
	}
	if err := json.Unmarshal(body, x.into); err != nil {
		return c.foreign(err)
	}
	return nil
}

// foreign is an answer that no server of worklog gives: that of a proxy, or of another program at the same address.
func (c *Client) foreign(err error) error {
	return &Error{Code: CodeInternal, Message: origin(c.base) + " does not answer as worklog does: something else is there, or in between", Err: err}
}

// send makes one request. The caller closes the answer's body.
func (c *Client) send(ctx context.Context, x call) (*http.Response, error) {
	if c.baseErr != nil {
		return nil, c.baseErr
	}
	u := *c.base
	u.Path += x.path
	u.RawQuery = x.query.Encode()
	req, err := http.NewRequestWithContext(ctx, x.method, u.String(), bytes.NewReader(x.body))
	if err != nil {
		return nil, &Error{Code: CodeInvalid, Message: "the request can not be made", Err: err}
	}
	if x.media != "" {
		req.Header.Set("Content-Type", x.media)
	}
	if x.lastEventID != "" {
		req.Header.Set("Last-Event-ID", x.lastEventID)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, broken(err)
	}
	if to, code := led(req, res); to != nil {
		_ = res.Body.Close()
		return nil, c.moved(x.path, to, code)
	}
	return res, nil
}

// led returns where a redirect has led a request that did not arrive as it was sent, and what that is; nil: it did, and res
// answers it. 301, 302 and 303 make a question of everything, which changes nothing and has an answer all the same; another
// host is told no token; and a client may follow no redirect at all.
func led(req *http.Request, res *http.Response) (*url.URL, Code) {
	last := res.Request
	switch {
	case res.StatusCode/100 == 3:
		to, _ := res.Location() // none: the answer is an error like others
		return to, CodeInternal
	case last == nil || last.Response == nil: // the last was the first
		return nil, ""
	case last.Method != req.Method:
		return last.URL, CodeInternal
	case last.Header.Get("Authorization") == "" && req.Header.Get("Authorization") != "":
		return last.URL, CodeUnauthorized
	}
	return nil, ""
}

// moved says where a request for path was led. A redirect that keeps the path tells the server's new address; of any
// other, such as one to a sign-in, no more is shown than where: the rest may be secret.
func (c *Client) moved(path string, to *url.URL, code Code) error {
	base, kept := strings.CutSuffix(to.Path, path)
	now := &url.URL{Scheme: to.Scheme, Host: to.Host, Path: base}
	if !kept || now.String() == c.base.String() {
		return Errorf(code, "%s leads to %s: use the address of the server itself", origin(c.base), origin(to))
	}
	return Errorf(code, "the server has moved to %s: use that address", now)
}

// origin is u without all that may be private.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// broken is a request that got no answer. Whether it arrived is unknown.
func broken(err error) error {
	return &Error{Code: CodeUnavailable, Message: "the server does not answer", Err: err}
}

// clean removes what an error holds but must not show: a URL's query, a cause that only repeats the message.
func clean(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return &Error{Code: CodeUnavailable, Message: "the server does not answer", Err: u.Err}
	}
	return err
}

// problemBody is a problem document as the server writes it.
type problemBody struct {
	Code       Code         `json:"code"`
	Detail     string       `json:"detail"`
	Title      string       `json:"title"`
	Errors     []FieldError `json:"errors"`
	RequestID  string       `json:"request_id"`
	RetryAfter int          `json:"retry_after"`
	// Receipts come with the refusal of a whole request.
	Receipts []Receipt `json:"receipts"`
}

// problem reads an error answer. One that is no problem document, such as a proxy's page, is judged by its status.
func (x *call) problem(res *http.Response, body []byte) error {
	var p problemBody
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		p = problemBody{Code: codeOfStatus(res.StatusCode), Detail: fmt.Sprintf("the server answered %s", res.Status)}
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	e := &Error{Code: p.Code, Message: p.Detail, Fields: p.Errors, RequestID: p.RequestID, RetryAfter: time.Duration(max(0, min(p.RetryAfter, maxRetryAfter))) * time.Second}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(min(s, maxRetryAfter)) * time.Second
	}
	if e.RequestID == "" {
		e.RequestID = res.Header.Get("X-Request-Id")
	}
	if x.refused != nil {
		*x.refused = p.Receipts
	}
	return e
}

func codeOfStatus(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return CodeMalformed
	case http.StatusUnauthorized:
		return CodeUnauthorized
	case http.StatusForbidden:
		return CodeForbidden
	case http.StatusNotFound:
		return CodeNotFound
	case http.StatusMethodNotAllowed:
		return CodeMethod
	case http.StatusConflict:
		return CodeConflict
	case http.StatusRequestEntityTooLarge:
		return CodeTooLarge
	case http.StatusUnsupportedMediaType:
		return CodeMediaType
	case http.StatusUnprocessableEntity:
		return CodeInvalid
	case http.StatusTooManyRequests:
		return CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return CodeUnavailable
	}
	return CodeInternal
}
