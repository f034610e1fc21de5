package worklog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of one request, well inside of what the server takes: 1,000 drafts and 8 MiB.
const (
	maxRequestDrafts = 1000
	maxRequestBytes  = 6 << 20
	maxDraftBytes    = 2 << 20 // one draft as JSON: full details, all of them escaped, and full metadata
)

const (
	logsPath    = "/api/v1/logs"
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// Append stores drafts and returns their receipts, in order, after the server has committed them. It sends again what
// may be sent again (see [WithoutKeys]) until the timeout. Invalid and limited drafts are receipts and do not hold up
// the others; only when every draft is invalid there is an error, too, with [CodeInvalid].
//
// On any other error the receipts are those of the drafts up to the one that failed; of the rest nothing was stored, or
// it is unknown. Sending them again with the same keys stores nothing twice.
func (c *Client) Append(ctx context.Context, drafts ...Draft) ([]Receipt, error) {
	return c.append(ctx, appending{}, drafts)
}

func (c *Client) append(ctx context.Context, a appending, drafts []Draft) ([]Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a.receipts = make([]Receipt, len(drafts))
	for i := range drafts {
		line, err := c.encode(drafts[i], a.buffered)
		if err != nil {
			a.receipts[i] = invalidReceipt(err)
			continue
		}
		if len(a.index) == maxRequestDrafts || len(a.body)+len(line) > maxRequestBytes {
			if err := c.appendChunk(ctx, &a); err != nil {
				return a.receipts[:a.index[0]], err
			}
		}
		a.index = append(a.index, i)
		a.body = append(append(a.body, line...), '\n')
		a.blind = a.blind || c.keyless && drafts[i].Key == ""
	}
	if len(a.index) > 0 {
		if err := c.appendChunk(ctx, &a); err != nil {
			return a.receipts[:a.index[0]], err
		}
	}
	return a.receipts, allInvalid(a.receipts)
}

// appending is the state of one Append: the receipts of all drafts, and the request that is being filled.
type appending struct {
	receipts []Receipt
	index    []int // of the request's drafts in receipts
	body     []byte
	query    url.Values
	blind    bool
	buffered bool // the buffer retries by itself, and has checked the metadata
}

func invalidReceipt(err error) Receipt {
	r := Receipt{Outcome: OutcomeInvalid, Reason: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		r.Reason, r.Errors = e.Message, e.Fields
	}
	return r
}

// encode returns d as JSON, with a key when it has none, or says why it is invalid. The metadata of a checked draft is as
// it is sent.
func (c *Client) encode(d Draft, checked bool) (line []byte, err error) {
	c.complete(&d)
	if !checked {
		if d.Metadata, _, err = d.Metadata.sendable(); err != nil {
			return nil, err
		}
	}
	line, err = json.Marshal(d)
	if err == nil && len(line) <= maxDraftBytes {
		return line, nil
	}
	d.Normalize() // there is a rule for what is too long, and for times that have no JSON form
	return nil, cmpErr(d.Validate(time.Now()), Errorf(CodeInvalid, "the draft can not be sent"))
}

// complete sets what the client adds to every draft.
func (c *Client) complete(d *Draft) {
	if d.Key == "" && !c.keyless {
		d.Key = rand.Text()
	}
	if d.Source == "" {
		d.Source = c.source
	}
	d.Details = CutDetails(cleanText(d.Details)) // the server would do the same: spare the way
}

// appendChunk sends the request of a, sorts its receipts in and makes room for the next one.
func (c *Client) appendChunk(ctx context.Context, a *appending) error {
	receipts, err := c.post(ctx, a)
	if err != nil {
		return err
	}
	if len(receipts) != len(a.index) {
		return Errorf(CodeInternal, "the server answered %d drafts with %d receipts", len(a.index), len(receipts))
	}
	if slices.ContainsFunc(receipts, func(r Receipt) bool { return !r.Outcome.valid() }) {
		return c.foreign(nil)
	}
	for i, r := range receipts {
		for j := range r.Errors {
			r.Errors[j].Field = unprefixed(r.Errors[j].Field)
		}
		a.receipts[a.index[i]] = r
	}
	a.index, a.body, a.blind = a.index[:0], a.body[:0], false
	return nil
}

func (c *Client) post(ctx context.Context, a *appending) ([]Receipt, error) {
	x := call{method: http.MethodPost, path: logsPath, query: a.query, body: a.body, blind: a.blind, single: a.buffered}
	if len(a.index) == 1 {
		return c.postOne(ctx, x)
	}
	var answer struct {
		Receipts []Receipt `json:"receipts"`
	}
	var refused []Receipt
	x.media, x.into, x.member, x.refused = mediaNDJSON, &answer, "receipts", &refused
	if err := c.do(ctx, x); err != nil && (CodeOf(err) != CodeInvalid || refused == nil) {
		return nil, err
	} else if err != nil {
		return refused, nil
	}
	return answer.Receipts, nil
}

func (c *Client) postOne(ctx context.Context, x call) ([]Receipt, error) {
	var r Receipt
	x.media, x.into, x.member = mediaJSON, &r, "outcome"
	err := c.do(ctx, x)
	if e, ok := err.(*Error); ok && e.Code == CodeInvalid && len(e.Fields) > 0 {
		return []Receipt{{Outcome: OutcomeInvalid, Reason: e.Message, Errors: e.Fields}}, nil
	}
	return []Receipt{r}, err
}

// unprefixed returns the field of a draft without the draft's number in its request.
func unprefixed(field string) string {
	number, name, _ := strings.Cut(field, ".")
	if _, err := strconv.Atoi(number); err != nil {
		return field
	}
	return name
}

// allInvalid returns an error when no draft was anything but invalid.
func allInvalid(receipts []Receipt) error {
	if len(receipts) == 0 {
		return nil
	}
	for i := range receipts {
		if receipts[i].Outcome != OutcomeInvalid {
			return nil
		}
	}
	first := receipts[0]
	message := "every draft is invalid"
	if len(receipts) == 1 {
		message = first.Reason
	}
	return &Error{Code: CodeInvalid, Message: message, Fields: first.Errors}
}

// Log hands d over: without a buffer it waits for the server's receipt, with one ([WithBuffer]) it only queues d. The
// error says why d was not taken; a draft over the limit is no error, the server counts it.
func (c *Client) Log(ctx context.Context, d Draft) error {
	if c.buffer != nil {
		return c.buffer.put(d)
	}
	_, err := c.Append(ctx, d)
	return err
}

// Info logs a plain line.
func (c *Client) Info(ctx context.Context, title string) error {
	return c.Log(ctx, Draft{Title: title, Status: StatusInfo})
}

// Success logs something that went well.
func (c *Client) Success(ctx context.Context, title string) error {
	return c.Log(ctx, Draft{Title: title, Status: StatusSuccess})
}

// Warning logs something that went differently from what was planned.
func (c *Client) Warning(ctx context.Context, title string) error {
	return c.Log(ctx, Draft{Title: title, Status: StatusWarning})
}

// Error logs a failure; err, unless nil, is told in the details.
func (c *Client) Error(ctx context.Context, title string, err error) error {
	d := Draft{Title: title, Type: TypeError, Status: StatusError}
	if err != nil {
		d.Details = err.Error()
	}
	return c.Log(ctx, d)
}
