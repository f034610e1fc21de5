package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	pageLoads = 300
	// deletionTimeout bounds the wait for a deleted conversation to be gone.
	deletionTimeout = 5 * time.Minute
	// bystanderPace is the pause between two posts of a client that must not wait.
	bystanderPace = 5 * time.Millisecond
)

// fill writes entries into a new conversation of the first user and returns its id.
func (s *site) fill(ctx context.Context, entries int) (conversation string, err error) {
	key := uuid.NewString()
	f, err := newForm(key, false)
	if err != nil {
		return "", err
	}
	c, err := dial(ctx, s.address)
	if err != nil {
		return "", err
	}
	defer c.close()
	h := head(s.address, s.users[0].token, "application/x-ndjson")
	var body []byte
	for n := 0; n < entries; {
		body = body[:0]
		for range min(batchDrafts, entries-n) {
			body = append(f.appendTo(body, int64(n)), '\n')
			n++
		}
		status, problem, err := c.post(h, body)
		if err != nil {
			return "", err
		}
		if status != http.StatusOK {
			return "", fmt.Errorf("status %d: %s", status, problem)
		}
	}
	err = s.pool.QueryRow(ctx, "SELECT id FROM conversations WHERE owner_id = $1 AND key = $2 AND entry_count = $3", s.users[0].id, key, entries).Scan(&conversation)
	return conversation, err
}

// measurePages loads the page of a large conversation, its newest part and one from its middle.
func measurePages(ctx context.Context, s *site, o options) ([]result, error) {
	conversation, err := s.fill(ctx, o.entries)
	if err != nil {
		return nil, err
	}
	if _, err := s.pool.Exec(ctx, "VACUUM ANALYZE work_logs"); err != nil {
		return nil, err
	}
	cookie, err := s.signIn(ctx, s.users[0])
	if err != nil {
		return nil, err
	}
	path := "/conversations/" + conversation
	newest, err := s.loads(ctx, path, cookie)
	if err != nil {
		return nil, err
	}
	older, err := s.loads(ctx, fmt.Sprintf("%s?before=%d", path, o.entries/2), cookie)
	if err != nil {
		return nil, err
	}
	const aim = 30 * time.Millisecond
	what := fmt.Sprintf("conversation of %s entries", thousands(int64(o.entries)))
	p50, p99 := quantile(newest, 0.5), quantile(newest, 0.99)
	olderP50, olderP99 := quantile(older, 0.5), quantile(older, 0.99)
	return []result{
		{what: "first byte p50 / p99: " + what, figure: milliseconds(p50) + " / " + milliseconds(p99), aim: "p99 <= " + milliseconds(aim), missed: p99 > aim},
		{what: "first byte p50 / p99: its middle", figure: milliseconds(olderP50) + " / " + milliseconds(olderP99), against: "the newest page: " + milliseconds(p50),
			ratio: float64(olderP50) / float64(p50), aim: "<= 1.25", missed: float64(olderP50) > 1.25*float64(p50)},
	}, nil
}

// loads returns the times to the first byte of a page, after some that warm it up.
func (s *site) loads(ctx context.Context, path, cookie string) ([]time.Duration, error) {
	c, err := dial(ctx, s.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	request := get(s.address, path, cookie, "text/html")
	var times []time.Duration
	const warmUp = 20
	for i := range pageLoads + warmUp {
		t, err := c.firstByte(request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if i >= warmUp {
			times = append(times, t)
		}
	}
	return times, ctx.Err()
}

// measureDeletion deletes a large conversation while its owner and another user go on posting, and reports how long
// one of their posts took at most.
func measureDeletion(ctx context.Context, s *site, o options) ([]result, error) {
	entries := 2 * o.entries
	conversation, err := s.fill(ctx, entries)
	if err != nil {
		return nil, err
	}
	if o.sync { // filling has left hundreds of megabytes to the kernel; deleting is measured, not that
		syscall.Sync()
	}
	var calm, waits [2][]time.Duration
	if err := s.bystanders(ctx, &calm, func(ctx context.Context) error { return rest(ctx, o.duration) }); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.bystanders(ctx, &waits, func(ctx context.Context) error { return s.deleteConversation(ctx, conversation) }); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("POST p50 / p99 / worst while a conversation of %s entries is deleted (%v): ", thousands(int64(entries)), time.Since(began).Round(100*time.Millisecond))
	const aim = 100 * time.Millisecond
	var results []result
	for i, who := range []string{"its owner's", "another user's"} {
		results = append(results, result{
			what: what + who, figure: spread(waits[i]), against: "without: " + spread(calm[i]), aim: "<= 100 ms", missed: quantile(waits[i], 1) > aim,
		})
	}
	return results, nil
}

// spread formats the middle, the tail and the worst of delays.
func spread(delays []time.Duration) string {
	return milliseconds(quantile(delays, 0.5)) + " / " + milliseconds(quantile(delays, 0.99)) + " / " + milliseconds(quantile(delays, 1))
}

// bystanders lets the first two users post one after the other while event happens, and notes how long each waits.
func (s *site) bystanders(ctx context.Context, waits *[2][]time.Duration, event func(context.Context) error) error {
	conns, err := dialMany(ctx, s.address, len(waits))
	if err != nil {
		return err
	}
	defer closeAll(conns)
	var over atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			for !over.Load() {
				began := time.Now()
				if err := s.publishOne(c, i); err != nil {
					return err
				}
				waits[i] = append(waits[i], time.Since(began))
				if err := rest(ctx, bystanderPace); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer over.Store(true)
		return event(ctx)
	})
	return g.Wait()
}

// deleteConversation deletes and waits until nothing is left to do.
func (s *site) deleteConversation(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deletionTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://"+s.address+"/api/v1/conversations/"+id, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.users[0].token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("delete: %s", res.Status)
	}
	for left := 1; left > 0; {
		if err := rest(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		if err := s.pool.QueryRow(ctx, "SELECT count(*) FROM conversations WHERE id = $1", id).Scan(&left); err != nil {
			return err
		}
	}
	return nil
}
