package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	publishers = 16
	idleTabs   = 1000
	// settle lets the server finish with what the opening of streams has caused.
	settle = 2 * time.Second
	// settled is when what logging in and opening streams has caused, such as the last use of tokens, is surely written.
	settled = 35 * time.Second
	// arrival bounds the wait for what is still under way when the last entry was posted.
	arrival = 15 * time.Second
	opening = 32 // streams that open at the same time
)

// door is a kind of stream.
type door struct {
	name   string
	path   string
	accept string
	// header authenticates as user i.
	header func(i int) string
}

// doors are the JSON stream of programs and the HTML stream of pages.
func (s *site) doors(ctx context.Context) ([]door, error) {
	cookies := make([]string, users)
	for i := range cookies {
		c, err := s.signIn(ctx, s.users[i])
		if err != nil {
			return nil, err
		}
		cookies[i] = c
	}
	return []door{
		{"pages", "/stream", "text/event-stream", func(i int) string { return cookies[i] }},
		{"API", "/api/v1/stream", "text/event-stream", func(i int) string { return "Authorization: Bearer " + s.users[i].token }},
	}, nil
}

// audience is a number of open streams.
type audience struct {
	streams []*stream
	arrived atomic.Int64
	readers sync.WaitGroup
}

// watch opens n streams, spread over the first topics users, as pages do: from the last change that they show.
func (s *site) watch(ctx context.Context, d door, n, topics int) (*audience, error) {
	revs, err := s.lastRevs(ctx)
	if err != nil {
		return nil, err
	}
	a := &audience{streams: make([]*stream, n)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(opening)
	for i := range n {
		g.Go(func() error {
			topic := i % topics
			st, err := openStream(ctx, s.address, get(s.address, fmt.Sprintf("%s?after=%d", d.path, revs[topic]), d.header(topic), d.accept), topic)
			if err != nil {
				return err
			}
			a.streams[i] = st
			a.readers.Go(func() { st.read(func() { a.arrived.Add(1) }) })
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// lastRevs is how far the feed of each user has come.
func (s *site) lastRevs(ctx context.Context) ([]int64, error) {
	revs := make([]int64, users)
	for i := range revs {
		err := s.pool.QueryRow(ctx, "SELECT coalesce(max(last_rev), 0) FROM work_log_stats WHERE owner_id = $1", s.users[i].id).Scan(&revs[i])
		if err != nil {
			return nil, err
		}
	}
	return revs, nil
}

func (a *audience) close() {
	for _, st := range a.streams {
		if st != nil {
			st.conn.close()
		}
	}
	a.readers.Wait()
}

// delays are all delays from POST to arrival. The audience is closed.
func (a *audience) delays() []time.Duration {
	var all []time.Duration
	for _, st := range a.streams {
		all = append(all, st.seen...)
	}
	return all
}

// fanout is one load of the live path.
type fanout struct {
	topics int
	rate   int // entries per second in all
	p50    time.Duration
	p99    time.Duration
}

// measureFanout posts entries at a steady pace while many streams are open, and reports how late their stamps arrive.
func measureFanout(ctx context.Context, s *site, o options) ([]result, error) {
	doors, err := s.doors(ctx)
	if err != nil {
		return nil, err
	}
	var results []result
	for _, d := range doors {
		if err := s.restartProgram(ctx); err != nil {
			return results, err
		}
		if _, err := s.publish(ctx, fanout{topics: users, rate: 200}, settle); err != nil { // so that it holds what every program holds
			return results, err
		}
		for _, f := range []fanout{
			{topics: users, rate: 200, p50: 5 * time.Millisecond, p99: 15 * time.Millisecond},
			{topics: 1, rate: 20, p99: 60 * time.Millisecond},
		} {
			rs, err := s.measureFanout(ctx, d, f, o)
			if err != nil {
				return results, err
			}
			results = append(results, rs...)
		}
	}
	return results, nil
}

func (s *site) measureFanout(ctx context.Context, d door, f fanout, o options) ([]result, error) {
	before, err := s.residentKB()
	if err != nil {
		return nil, err
	}
	a, err := s.watch(ctx, d, o.streams, f.topics)
	if err != nil {
		return nil, err
	}
	defer a.close()
	if err := rest(ctx, settle); err != nil {
		return nil, err
	}
	open, err := s.residentKB()
	if err != nil {
		return nil, err
	}
	used, err := s.cpu(ctx)
	if err != nil {
		return nil, err
	}
	sent, err := s.publish(ctx, f, 2*o.duration)
	if err != nil {
		return nil, err
	}
	due := int64(0)
	for _, st := range a.streams {
		due += sent[st.topic]
	}
	for began := time.Now(); a.arrived.Load() < due && time.Since(began) < arrival; {
		if err := rest(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := s.report(ctx, used, d, a); err != nil {
		return nil, err
	}
	a.close()
	return f.results(d, o, a, due, open-before), nil
}

// report notes what a delivery has cost since before.
func (s *site) report(ctx context.Context, before cpu, d door, a *audience) error {
	after, err := s.cpu(ctx)
	if err != nil {
		return err
	}
	n := float64(max(a.arrived.Load(), 1))
	fmt.Fprintf(os.Stderr, "bench:   %-6s %9s deliveries   CPU per delivery: program %.1f us, bench %.1f us\n", d.name, thousands(int64(n)),
		float64((after.program-before.program).Microseconds())/n, float64((after.bench-before.bench).Microseconds())/n)
	return nil
}

func (f fanout) results(d door, o options, a *audience, due, grownKB int64) []result {
	delays := a.delays()
	p50, p99 := quantile(delays, 0.5), quantile(delays, 0.99)
	what := fmt.Sprintf("%s streams of %s, %d user(s), %d entries/s", thousands(int64(o.streams)), d.name, f.topics, f.rate)
	arrived := fmt.Sprintf("%s of %s deliveries", thousands(int64(len(delays))), thousands(due))
	lost := int64(len(delays)) != due
	results := []result{{
		what: "POST to stamp, p50: " + what, figure: milliseconds(p50), against: arrived, missed: lost || f.p50 > 0 && p50 > f.p50,
	}, {
		what: "POST to stamp, p99: " + what, figure: milliseconds(p99), against: arrived, aim: "<= " + milliseconds(f.p99), missed: lost || p99 > f.p99,
	}}
	if f.p50 > 0 {
		results[0].aim = "<= " + milliseconds(f.p50)
	}
	if f.topics > 1 { // the first load of a door: no stream was open before
		perStream := float64(grownKB) / float64(o.streams)
		results = append(results, result{
			what: "resident memory per open stream of " + d.name, figure: fmt.Sprintf("%.1f KB", perStream), aim: "<= 30 KB", missed: perStream > 30,
		})
	}
	return results
}

// publish posts stamped entries at f's pace and returns how many each topic got.
func (s *site) publish(ctx context.Context, f fanout, d time.Duration) (map[int]int64, error) {
	total := int64(d.Seconds() * float64(f.rate))
	sent := make(map[int]int64)
	for k := range total {
		sent[int(k)%f.topics]++
	}
	conns, err := dialMany(ctx, s.address, publishers)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, c := range conns {
		g.Go(func() error {
			for {
				k := next.Add(1) - 1
				if k >= total {
					return nil
				}
				if err := rest(ctx, time.Until(began.Add(time.Duration(k)*time.Second/time.Duration(f.rate)))); err != nil {
					return err
				}
				if err := s.publishOne(c, int(k)%f.topics); err != nil {
					return err
				}
			}
		})
	}
	return sent, g.Wait()
}

func (s *site) publishOne(c *conn, topic int) error {
	body := fmt.Appendf(nil, `{"title":"Bash: make test %s","type":"tool_call","status":"success","tool":"Bash","conversation":"fanout","metadata":{"exit_code":0}}`, stamp(time.Now()))
	status, problem, err := c.post(head(s.address, s.users[topic].token, "application/json"), body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("status %d: %s", status, problem)
	}
	return err
}

// rest waits for d, or returns ctx's error when that ends first.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
