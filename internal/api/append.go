package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/worklog"
)

// submission is the drafts of one request and what is known about them.
type submission struct {
	drafts   []worklog.Draft
	index    []int             // of the drafts in receipts
	receipts []worklog.Receipt // one for every draft of the request; those that could not be read are answered already
	many     bool              // an array or NDJSON, and not a single object
}

// appendLogs is POST /api/v1/logs.
func (a *API) appendLogs(c echo.Context) error {
	p := principal(c)
	manner, err := a.manner(c)
	if err != nil {
		return err
	}
	sub, err := a.readSubmission(c)
	if err != nil {
		return err
	}
	if len(sub.drafts) > 0 {
		receipts, err := a.ingest.AppendAs(c.Request().Context(), p, manner, sub.drafts)
		if err != nil {
			return err
		}
		for i, rec := range receipts {
			sub.receipts[sub.index[i]] = rec
		}
	}
	a.ingest.Refused(p, len(sub.receipts)-len(sub.drafts)) // now that they are not sent again
	a.limitHeaders(c, p, sub)
	if sub.many {
		return a.answerMany(c, sub)
	}
	return a.answerOne(c, sub)
}

// manner reads how the drafts of a request come in.
func (a *API) manner(c echo.Context) (m ingest.Manner, err error) {
	q := query(c, "import", "keep")
	m.Import = q.flag("import")
	if q.flag("keep") {
		m.KeepBefore = a.ageing().DeletesBefore()
		if !m.Import {
			q.fail("keep", "goes with import alone")
		}
	}
	return m, q.err
}

// readSubmission reads the drafts of a request. A draft that can not be read is a receipt; only a request that as a
// whole makes no sense is an error.
func (a *API) readSubmission(c echo.Context) (*submission, error) {
	r := c.Request()
	media, err := mediaType(r)
	if err != nil {
		return nil, err
	}
	release, err := a.reserve(c)
	if err != nil {
		return nil, err
	}
	defer release()
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	sub := &submission{many: media == mediaNDJSON}
	if media == mediaNDJSON {
		err = lines(r.Body, buf, func(_ int, raw []byte) error {
			d, err := worklog.DecodeDraft(raw)
			return sub.add(d, err, a.now())
		})
	} else {
		var raw []byte
		if raw, err = readBody(r, buf); err == nil {
			err = sub.addJSON(raw, a.now())
		}
	}
	if err == nil && len(sub.receipts) == 0 {
		err = malformed("there is no draft in the body")
	}
	return sub, err
}

// addJSON reads a body of one object or one array.
func (s *submission) addJSON(raw []byte, now time.Time) error {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	switch {
	case len(raw) == 0:
		return malformed("the body is empty")
	case raw[0] == '{':
		d, err := worklog.DecodeDraft(raw)
		if worklog.CodeOf(err) == worklog.CodeMalformed {
			return err
		}
		return s.add(d, err, now)
	case raw[0] == '[':
		s.many = true
		for d, err := range worklog.DecodeDrafts(raw) {
			if worklog.CodeOf(err) == worklog.CodeMalformed {
				return err
			}
			if err := s.add(d, err, now); err != nil {
				return err
			}
		}
		return nil
	}
	return malformed("the body must be a JSON object or an array of objects")
}

// add takes one draft, or the mistake in its place.
func (s *submission) add(d worklog.Draft, mistake error, now time.Time) error {
	if len(s.receipts) == maxDrafts {
		return worklog.Errorf(worklog.CodeTooLarge, "a request may have at most %d drafts", maxDrafts)
	}
	if mistake == nil {
		s.index = append(s.index, len(s.receipts))
		s.drafts = append(s.drafts, d)
		s.receipts = append(s.receipts, worklog.Receipt{})
		return nil
	}
	s.receipts = append(s.receipts, unreadable(d, mistake, now))
	return nil
}

// unreadable answers a draft that could not be read, or not all of it: with what was read it names every other mistake, too.
func unreadable(d worklog.Draft, mistake error, now time.Time) worklog.Receipt {
	e, _ := errors.AsType[*worklog.Error](mistake)
	rec := worklog.Receipt{Outcome: worklog.OutcomeInvalid, Reason: "invalid draft", Errors: slices.Clone(e.Fields)}
	if e.Code == worklog.CodeMalformed {
		rec.Errors = []worklog.FieldError{{Message: "is " + e.Message}}
		return rec
	}
	if slices.ContainsFunc(e.Fields, func(f worklog.FieldError) bool { return f.Field == "" }) {
		return rec // it is no object
	}
	d.Normalize()
	rest, ok := errors.AsType[*worklog.Error](d.Validate(now))
	if !ok {
		return rec
	}
	for _, f := range rest.Fields {
		if !slices.ContainsFunc(e.Fields, func(known worklog.FieldError) bool { return known.Field == f.Field }) {
			rec.Errors = append(rec.Errors, f)
		}
	}
	return rec
}

// limitHeaders says how many new entries the writer has left, and how long to wait when one was limited.
// The form is that of draft-ietf-httpapi-ratelimit-headers.
func (a *API) limitHeaders(c echo.Context, p *account.Principal, sub *submission) {
	state := a.ingest.Limit(p)
	h := c.Response().Header()
	var b [64]byte
	h.Set("RateLimit-Policy", string(append(strconv.AppendInt(append(b[:0], `"user";q=`...), int64(state.Limit), 10), ";w=60"...)))
	v := strconv.AppendInt(append(b[:0], `"user";r=`...), int64(state.Remaining), 10)
	h.Set("RateLimit", string(strconv.AppendInt(append(v, ";t="...), int64(problem.Seconds(state.Reset)), 10)))
	wait := 0
	for i := range sub.receipts {
		wait = max(wait, sub.receipts[i].RetryAfter)
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wait))
	}
}

// answerOne answers a single draft.
func (a *API) answerOne(c echo.Context, sub *submission) error {
	rec := &sub.receipts[0]
	if rec.Outcome == worklog.OutcomeInvalid {
		return &worklog.Error{Code: worklog.CodeInvalid, Message: rec.Reason, Fields: rec.Errors}
	}
	status := http.StatusOK
	if rec.Outcome == worklog.OutcomeStored {
		status = http.StatusCreated
		c.Response().Header().Set("Location", "/api/v1/logs/"+rec.Entry.ID)
	}
	return a.write(c, status, func(b []byte) ([]byte, error) {
		return appendReceipt(b, rec, mayRead(principal(c), sub, 0))
	})
}

// answerMany answers an array or NDJSON. When every draft is invalid the answer is a problem document that has the
// receipts, too.
func (a *API) answerMany(c echo.Context, sub *submission) error {
	var counts worklog.Counts
	for i := range sub.receipts {
		rec := &sub.receipts[i]
		counts.Add(rec.Outcome, 1)
		for j := range rec.Errors {
			rec.Errors[j].Field = prefixed(i, rec.Errors[j].Field)
		}
	}
	if counts.Invalid == int64(len(sub.receipts)) {
		return a.refuseAll(c, sub, counts)
	}
	return a.write(c, http.StatusOK, func(b []byte) ([]byte, error) {
		return appendReceipts(b, principal(c), sub, counts)
	})
}

// maxProblemErrors bounds the errors of a problem document. The receipts have all of them.
const maxProblemErrors = 100

func (a *API) refuseAll(c echo.Context, sub *submission, counts worklog.Counts) error {
	e := &worklog.Error{Code: worklog.CodeInvalid, Message: "every draft is invalid"}
	for i := range sub.receipts {
		e.Fields = append(e.Fields, sub.receipts[i].Errors...)
		if len(e.Fields) >= maxProblemErrors {
			e.Fields = e.Fields[:maxProblemErrors]
			break
		}
	}
	h := c.Response().Header()
	body := struct {
		problem.Problem
		Receipts []worklog.Receipt `json:"receipts"`
		Counts   worklog.Counts    `json:"counts"`
	}{problem.Of(e, c.Request().URL.Path, h.Get(problem.RequestIDHeader)), sub.receipts, counts}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.Blob(body.Status, problem.ContentType, raw)
}

// prefixed names the field of the draft with number i of a request.
func prefixed(i int, field string) string {
	if field == "" {
		return strconv.Itoa(i)
	}
	return strconv.Itoa(i) + "." + field
}

func appendReceipts(b []byte, p *account.Principal, sub *submission, counts worklog.Counts) (_ []byte, err error) {
	b = append(b, `{"receipts":[`...)
	next := 0
	for i := range sub.receipts {
		if i > 0 {
			b = append(b, ',')
		}
		readable := false
		if next < len(sub.index) && sub.index[next] == i {
			readable = mayRead(p, sub, next)
			next++
		}
		if b, err = appendReceipt(b, &sub.receipts[i], readable); err != nil {
			return b, err
		}
	}
	raw, err := json.Marshal(counts)
	return append(append(append(b, `],"counts":`...), raw...), '}'), err
}

// mayRead reports whether p may read the entry of draft i: it can read, and the entry is its user's own.
func mayRead(p *account.Principal, sub *submission, i int) bool {
	if !p.Can(account.ScopeRead) {
		return false
	}
	user := sub.drafts[i].User
	return user == "" || strings.EqualFold(user, p.User.Email)
}

// appendReceipt appends a receipt. A writer who may not read learns the id, key and status of the entry and nothing
// else: under its key there may be what somebody else wrote.
func appendReceipt(b []byte, rec *worklog.Receipt, readable bool) ([]byte, error) {
	if readable || rec.Entry == nil {
		return rec.AppendJSON(b)
	}
	bare := struct {
		Outcome worklog.Outcome `json:"outcome"`
		Entry   struct {
			ID     *string        `json:"id"`
			Key    *string        `json:"key"`
			Status worklog.Status `json:"status"`
		} `json:"entry"`
		Reason     string `json:"reason,omitempty"`
		RetryAfter int    `json:"retry_after,omitempty"`
	}{Outcome: rec.Outcome, Reason: rec.Reason, RetryAfter: rec.RetryAfter}
	if rec.Entry.ID != "" {
		bare.Entry.ID = &rec.Entry.ID
	}
	if rec.Entry.Key != "" {
		bare.Entry.Key = &rec.Entry.Key
	}
	bare.Entry.Status = rec.Entry.Status
	raw, err := json.Marshal(bare)
	return append(b, raw...), err
}
