// Package demo plays a few lifelike agents on the stage of a worklog server: what `worklog demo` and `serve --demo` show.
//
// What they do is data: scenes/*.ndjson. A scene's first line names the conversation, every other line is a step with its
// own pace; this package only lays the steps out in time and writes them through the public client. It is a package of
// its own, not part of the command, so that its tests need no server.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/worklogdev/worklog/worklog"
	"golang.org/x/sync/errgroup"
)

// Keys is how the key of every entry of the demo begins.
const Keys = "demo/"

// Writer is what the demo needs of a [worklog.Client].
type Writer interface {
	Append(ctx context.Context, drafts ...worklog.Draft) ([]worklog.Receipt, error)
}

// troupe is the agents and where they write.
type troupe struct {
	to     Writer
	log    *slog.Logger
	seed   uint64
	scenes []scene
}

// Play writes what a few lifelike agents do until ctx ends. It begins with some history, whose keys are the same on
// every start: written again it changes nothing. The same seed plays the same scenes. A server that is away is waited for.
func Play(ctx context.Context, to Writer, seed uint64, log *slog.Logger) error {
	scenes, err := loadScenes(sceneFiles)
	if err != nil {
		return err
	}
	d := troupe{to: to, log: log, seed: seed, scenes: scenes}
	if err := d.send(ctx, d.history(time.Now())...); err != nil {
		return ignoreEnd(ctx, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	for n := range d.tracks() {
		g.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("demo: %v", p)
				}
			}()
			return ignoreEnd(ctx, d.play(ctx, n))
		})
	}
	return g.Wait()
}

// ignoreEnd returns nil for whatever went wrong because ctx ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (d *troupe) tracks() int {
	n := 0
	for _, s := range d.scenes {
		n = max(n, s.Track+1)
	}
	return n
}

// history is what happened before the demo began: complete, back-dated, oldest first.
func (d *troupe) history(now time.Time) []worklog.Draft {
	var drafts []worklog.Draft
	for _, s := range d.scenes {
		for i, hours := range s.HoursAgo {
			began := now.Add(-time.Duration(hours * float64(time.Hour)))
			run := fmt.Sprintf(Keys+"%s/%d", s.name, i)
			for _, b := range s.beats(run, run, rand.New(rand.NewPCG(d.seed, uint64(i)))) {
				if b.draft.Status == worklog.StatusWorking {
					continue
				}
				at, end := began.Add(b.start), began.Add(b.at)
				b.draft.LoggedAt = &at
				if b.ends {
					b.draft.StartedAt, b.draft.EndedAt = &at, &end
				}
				drafts = append(drafts, b.draft)
			}
		}
	}
	slices.SortStableFunc(drafts, func(a, b worklog.Draft) int { return a.LoggedAt.Compare(*b.LoggedAt) })
	return drafts
}

// play performs the scenes of one track, over and over.
func (d *troupe) play(ctx context.Context, track int) error {
	const (
		entrance = 2500 * time.Millisecond // between the tracks' first scenes
		rest     = 15 * time.Second        // after a scene, and up to as much again
	)
	rng := rand.New(rand.NewPCG(d.seed, uint64(track)))
	if err := pause(ctx, time.Duration(track)*entrance); err != nil {
		return err
	}
	for turn := 1; ; turn++ {
		for _, s := range d.scenes {
			if s.Track != track || len(s.HoursAgo) > 0 || turn%max(s.Every, 1) != 0 {
				continue
			}
			if err := d.perform(ctx, s, rng); err != nil {
				return err
			}
			if err := pause(ctx, rest+time.Duration(rng.Int64N(int64(rest)))); err != nil {
				return err
			}
		}
	}
}

// perform writes one scene at its own pace, into a conversation that is a new one every hour.
func (d *troupe) perform(ctx context.Context, s scene, rng *rand.Rand) error {
	began := time.Now()
	run := fmt.Sprintf(Keys+"%s/%s", s.name, began.UTC().Format("20060102T150405"))
	conversation := fmt.Sprintf(Keys+"%s/%s", s.name, began.UTC().Format("20060102T15"))
	for _, b := range s.beats(run, conversation, rng) {
		if err := pause(ctx, time.Until(began.Add(b.at))); err != nil {
			return err
		}
		now := time.Now()
		switch {
		case b.ends:
			b.draft.EndedAt = &now
		case b.draft.Status == worklog.StatusWorking && b.at == b.start:
			b.draft.StartedAt = &now
		}
		waited, err := d.sendBeat(ctx, b)
		if err != nil {
			return err
		}
		began = began.Add(waited) // who was held up does not hurry afterwards
	}
	return nil
}

// sendBeat writes one beat. An agent that is told it is over the limit waits and tries again, except in a burst.
func (d *troupe) sendBeat(ctx context.Context, b beat) (waited time.Duration, err error) {
	for {
		receipts, err := d.try(ctx, b.draft)
		if err != nil {
			return waited, err
		}
		if b.lossy || receipts[0].Outcome != worklog.OutcomeLimited {
			return waited, nil
		}
		w := time.Duration(max(receipts[0].RetryAfter, 1)) * time.Second
		if err := pause(ctx, w); err != nil {
			return waited, err
		}
		waited += w
	}
}

// send writes drafts that the limit does not concern.
func (d *troupe) send(ctx context.Context, drafts ...worklog.Draft) error {
	_, err := d.try(ctx, drafts...)
	return err
}

// try writes drafts until the server has taken them: it may be starting, or away for a while.
func (d *troupe) try(ctx context.Context, drafts ...worklog.Draft) ([]worklog.Receipt, error) {
	const longest = 5 * time.Second
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, longest) {
		receipts, err := d.to.Append(ctx, drafts...)
		switch worklog.CodeOf(err) {
		case "":
			return receipts, refused(receipts)
		case worklog.CodeUnauthorized, worklog.CodeForbidden, worklog.CodeInvalid, worklog.CodeMalformed:
			return nil, err
		}
		if ctx.Err() == nil {
			d.log.Warn("demo: the server does not take entries, trying again", "error", err, "wait", wait)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// refused returns the first invalid receipt as an error: the scenes are wrong then.
func refused(receipts []worklog.Receipt) error {
	for _, r := range receipts {
		if r.Outcome == worklog.OutcomeInvalid {
			return &worklog.Error{Code: worklog.CodeInvalid, Message: "demo: " + r.Reason, Fields: r.Errors}
		}
	}
	return nil
}

// pause waits for d, or returns ctx's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
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
