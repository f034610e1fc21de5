package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/otlp"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// otlpDrafts and otlpBytes bound what goes to the write path at once of a request that may have 20,000 records: it
	// never splits what it is given, and others want to write as well.
	otlpDrafts = 500
	otlpBytes  = 4 << 20
	// maxOTLPWait is the longest that an exporter is told to wait: after a minute there is room again in every window.
	maxOTLPWait = time.Minute
)

// otlpLogs is POST /v1/logs.
func (a *API) otlpLogs(c echo.Context) error {
	return a.export(c, fieldLogRecords, func(p *account.Principal, raw []byte, enc wire.Encoding) (*otlp.Batch, int, string, error) {
		in, err := wire.Logs(raw, enc)
		if err != nil {
			return nil, 0, "", err
		}
		return otlp.Logs(in.Items, a.now()), in.Rejected, in.Reason, nil
	})
}

// otlpTraces is POST /v1/traces.
func (a *API) otlpTraces(c echo.Context) error {
	return a.export(c, fieldSpans, func(p *account.Principal, raw []byte, enc wire.Encoding) (*otlp.Batch, int, string, error) {
		in, err := wire.Spans(raw, enc)
		if err != nil {
			return nil, 0, "", err
		}
		return otlp.Spans(in.Items, a.traces, p.User.ID, a.now()), in.Rejected, in.Reason, nil
	})
}

// otlpMetrics is POST /v1/metrics. Metrics are nothing that a log shows: they are taken and dropped, since an exporter
// would complain of anything else.
func (a *API) otlpMetrics(c echo.Context) error {
	enc, err := otlpEncoding(c.Request())
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(c.Request().Body, maxAgentBody)); err != nil {
		return bodyError(err)
	}
	return writeExport(c, enc, exportResult{})
}

// decodeOTLP reads a request: its drafts, and how many of its records could not be read and why.
type decodeOTLP func(p *account.Principal, raw []byte, enc wire.Encoding) (b *otlp.Batch, rejected int, reason string, err error)

// export answers a request of an exporter after what it brings is committed.
func (a *API) export(c echo.Context, field string, decode decodeOTLP) error {
	p := principal(c)
	enc, err := otlpEncoding(c.Request())
	if err != nil {
		return err
	}
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	raw, release, err := a.readAgentBody(c, buf)
	if err != nil {
		return err
	}
	defer release() // not before all is stored: what was made of the body is many times as large
	result := exportResult{field: field}
	batch, unread, reason, err := decode(p, raw, enc)
	if err != nil {
		return err
	}
	result.rejected, result.reason = unread, reason
	if err := a.joinTraces(c.Request().Context(), p, batch.Joins); err != nil {
		return err
	}
	if err := batch.Number(a.hooks.Find(c.Request().Context(), p)); err != nil {
		return err
	}
	if err := a.appendOTLP(c.Request().Context(), p, batch.Entries, &result); err != nil {
		return err
	}
	a.ingest.Refused(p, unread) // now that it is not sent again
	for _, n := range batch.Skipped {
		a.ingest.Skipped(n)
	}
	return writeExport(c, enc, result)
}

// joinTraces brings the rows of traces into the conversations whose names came after them.
func (a *API) joinTraces(ctx context.Context, p *account.Principal, joins []otlp.Join) error {
	token := ""
	if p.Token != nil {
		token = p.Token.ID
	}
	for _, j := range joins {
		if err := a.store.JoinConversation(ctx, p.User.ID, token, j.From, j.To); err != nil {
			return err
		}
		a.traces.Joined(p.User.ID, j)
	}
	return nil
}

// appendOTLP stores entries. What the limit leaves no room for ends it: the exporter sends everything again, and what is
// stored by then is known by its keys.
func (a *API) appendOTLP(ctx context.Context, p *account.Principal, queue []otlp.Entry, result *exportResult) error {
	manner := ingest.Manner{Agent: true, Resent: true}
	for len(queue) > 0 {
		n := chunk(queue)
		part := queue[:n]
		drafts := make([]worklog.Draft, n)
		for i := range part {
			drafts[i] = part[i].Draft
		}
		receipts, err := a.ingest.AppendAs(ctx, p, manner, drafts)
		if err != nil {
			return err
		}
		var again []otlp.Entry
		limited, wait := 0, 0
		for i, r := range receipts {
			switch r.Outcome {
			case worklog.OutcomeLimited:
				limited, wait = limited+1, max(wait, r.RetryAfter)
			case worklog.OutcomeInvalid:
				result.refuse(part[i], r)
			default:
				if next, ok := part[i].Again(r); ok {
					again = append(again, next)
				}
			}
		}
		if limited > 0 {
			return a.otlpLimited(p, manner, limited+len(queue)-n, time.Duration(wait)*time.Second)
		}
		queue = append(again, queue[n:]...)
	}
	return nil
}

// otlpLimited tells an exporter to come again when there is room for all that is left, as far as that can be known.
func (a *API) otlpLimited(p *account.Principal, m ingest.Manner, left int, wait time.Duration) error {
	state := a.ingest.LimitAs(p, m)
	if state.Limit > 0 {
		wait = max(wait, time.Duration(left)*time.Minute/time.Duration(state.Limit))
	}
	return &worklog.Error{
		Code: worklog.CodeRateLimited, RetryAfter: min(wait, maxOTLPWait),
		Message: fmt.Sprintf("over the limit of %d new entries a minute; send the same request again", state.Limit),
	}
}

// chunk returns how many entries go to the write path together.
func chunk(queue []otlp.Entry) int {
	bytes := 0
	for i := range queue {
		if bytes += len(queue[i].Draft.Details); i >= otlpDrafts || i > 0 && bytes > otlpBytes {
			return i
		}
	}
	return len(queue)
}

// exportResult is what became of a request's records.
type exportResult struct {
	field    string
	rejected int
	reason   string
}

// refuse counts a record whose draft was refused.
func (x *exportResult) refuse(e otlp.Entry, r worklog.Receipt) {
	if e.Late() {
		return
	}
	x.rejected++
	if x.reason != "" {
		return
	}
	x.reason = r.Reason
	if len(r.Errors) > 0 {
		x.reason = r.Errors[0].Field + " " + r.Errors[0].Message
	}
}

// writeExport answers as the specification has it: partial_success only when there is something to say.
func writeExport(c echo.Context, enc wire.Encoding, x exportResult) error {
	h := c.Response().Header()
	raw := []byte("{}")
	switch {
	case enc == wire.Protobuf:
		raw = x.protobuf()
	case x.rejected > 0:
		raw = fmt.Appendf(nil, `{"partialSuccess":{%q:"%d","errorMessage":%s}}`, x.field, x.rejected, quoted(x.message()))
	}
	h.Set(echo.HeaderContentType, mediaOf(enc))
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(raw)))
	c.Response().WriteHeader(http.StatusOK)
	_, err := c.Response().Write(raw)
	return err
}

func (x *exportResult) message() string {
	if x.rejected == 1 {
		return "1 record was refused: " + x.reason
	}
	return fmt.Sprintf("%d records were refused, the first because: %s", x.rejected, x.reason)
}
