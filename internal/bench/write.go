package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	fewClients  = 64
	manyClients = 1024
	batchDrafts = 500
	// batchClients write batches: each has one under way.
	batchClients = 8
)

// numbers hands out the numbers of drafts: no two are the same, so nothing is merged.
type numbers struct{ n atomic.Int64 }

func (n *numbers) next(count int64) int64 { return n.n.Add(count) - count }

// measureWrites compares acknowledged single entries over HTTP with one transaction per entry and with COPY.
func measureWrites(ctx context.Context, s *site, o options) ([]result, error) {
	var few, many, plain, single, copied []float64
	var n numbers
	base, err := newBaseline(ctx, s)
	if err != nil {
		return nil, err
	}
	rounds := []round{
		{what: "COPY", into: &copied, measure: func() (float64, error) { return base.copy(ctx, &n, o.copied, false) }},
		{what: "HTTP, 64 clients", into: &few, measure: func() (float64, error) { return s.postSingles(ctx, s.address, &n, fewClients, o.duration) }},
		{what: "plain server, 64 clients", into: &plain, start: base.startPlain, measure: func() (float64, error) {
			return s.postSingles(ctx, base.plainAddress, &n, fewClients, o.duration)
		}},
		{what: "one transaction per entry", into: &single, measure: func() (float64, error) { return base.singles(ctx, &n, o.duration) }},
		{what: "HTTP, 1,024 clients", into: &many, measure: func() (float64, error) { return s.postSingles(ctx, s.address, &n, manyClients, o.duration) }},
	}
	for range o.rounds {
		for _, r := range rounds {
			if err := s.round(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	f, m, c := median(few), median(many), median(copied)
	return []result{
		compared("single entries over HTTP, 64 clients", f, "one transaction per entry, over HTTP", median(plain), 3),
		{what: "single entries over HTTP, 64 clients", figure: perSecond(f), against: "one transaction per entry, without HTTP: " + perSecond(median(single)), ratio: f / median(single)},
		compared("single entries over HTTP, 64 clients", f, "COPY, one transaction", c, 0.12),
		compared("single entries over HTTP, 1,024 clients", m, "COPY, one transaction", c, 0.25),
	}, nil
}

// round is one throughput measurement of several that take turns.
type round struct {
	what    string
	into    *[]float64
	start   func(context.Context) (stop func(), err error) // of what runs during this measurement alone; nil: nothing
	measure func() (float64, error)
}

func (s *site) round(ctx context.Context, r round) error {
	if r.start != nil {
		stop, err := r.start(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	v, err := s.account(ctx, r.what, r.measure)
	*r.into = append(*r.into, v)
	return err
}

// compared is a result that must be at least aim times another figure.
func compared(what string, figure float64, against string, other, aim float64) result {
	r := result{what: what, figure: perSecond(figure), against: fmt.Sprintf("%s: %s", against, perSecond(other)), ratio: figure / other}
	r.aim = fmt.Sprintf(">= %.2f", aim)
	r.missed = r.ratio < aim
	return r
}

// measureBatches compares NDJSON requests of 500 drafts, without and with keys, with COPY of the same rows.
func measureBatches(ctx context.Context, s *site, o options) ([]result, error) {
	var n numbers
	base, err := newBaseline(ctx, s)
	if err != nil {
		return nil, err
	}
	var results []result
	for _, kind := range []struct {
		what    string
		withKey bool
		aim     float64
	}{{"NDJSON batches of 500", false, 0.5}, {"NDJSON batches of 500, with keys", true, 0.4}} {
		var posted, copied []float64
		for range o.rounds {
			c, err := s.account(ctx, "COPY", func() (float64, error) { return base.copy(ctx, &n, o.copied, kind.withKey) })
			if err != nil {
				return nil, err
			}
			p, err := s.account(ctx, kind.what, func() (float64, error) { return s.postBatches(ctx, &n, kind.withKey, o.duration) })
			if err != nil {
				return nil, err
			}
			posted, copied = append(posted, p), append(copied, c)
		}
		results = append(results, compared(kind.what, median(posted), "COPY, one transaction", median(copied), kind.aim))
	}
	return results, nil
}

// postSingles returns the acknowledged entries per second of keep-alive clients that post one after the other.
func (s *site) postSingles(ctx context.Context, address string, n *numbers, clients int, d time.Duration) (float64, error) {
	forms, err := newForms(false)
	if err != nil {
		return 0, err
	}
	return s.closedLoop(ctx, address, clients, d, "application/json", http.StatusCreated, 1, func(b []byte) []byte {
		i := n.next(1)
		return forms[i%conversationsPerUser].appendTo(b, i)
	})
}

// postBatches returns the acknowledged entries per second of clients that post NDJSON.
func (s *site) postBatches(ctx context.Context, n *numbers, withKey bool, d time.Duration) (float64, error) {
	forms, err := newForms(withKey)
	if err != nil {
		return 0, err
	}
	return s.closedLoop(ctx, s.address, batchClients, d, "application/x-ndjson", http.StatusOK, batchDrafts, func(b []byte) []byte {
		first := n.next(batchDrafts)
		for i := first; i < first+batchDrafts; i++ {
			b = append(forms[i%conversationsPerUser].appendTo(b, i), '\n')
		}
		return bytes.TrimSuffix(b, []byte("\n"))
	})
}

func newForms(withKey bool) ([conversationsPerUser]*form, error) {
	var forms [conversationsPerUser]*form
	for i := range forms {
		f, err := newForm(conversationKey(int64(i)), withKey)
		if err != nil {
			return forms, err
		}
		forms[i] = f
	}
	return forms, nil
}

// closedLoop runs clients that each post a body, wait for the answer and post the next, and returns the drafts per
// second that were acknowledged with the wanted status. Any other answer fails the measurement.
func (s *site) closedLoop(ctx context.Context, address string, clients int, d time.Duration, media string, want, perRequest int, body func([]byte) []byte) (float64, error) {
	var acknowledged atomic.Int64
	conns, err := dialMany(ctx, address, clients)
	if err != nil {
		return 0, err
	}
	defer closeAll(conns)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i, c := range conns {
		g.Go(func() error {
			h := head(address, s.users[i%users].token, media)
			var buf []byte
			for time.Since(began) < d && ctx.Err() == nil {
				buf = body(buf[:0])
				status, problem, err := c.post(h, buf)
				if err != nil {
					return err
				}
				if status != want {
					return fmt.Errorf("status %d: %s", status, problem)
				}
				acknowledged.Add(int64(perRequest))
			}
			return nil
		})
	}
	err = g.Wait()
	return float64(acknowledged.Load()) / time.Since(began).Seconds(), err
}

func dialMany(ctx context.Context, address string, n int) ([]*conn, error) {
	var conns []*conn
	for range n {
		c, err := dial(ctx, address)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.close()
	}
}
