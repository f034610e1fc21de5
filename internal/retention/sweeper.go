// Package retention ages entries: hot -> warm -> cold -> deleted, or archived in place of deleted when they are kept.
//
// A sweep brings every entry that is younger in status than in age (by logged_at) to the status of its age, in one step.
// It never warms one up: where ages were set longer, what is cold stays so until Restore. Each status has a range of ages
// of its own, so an entry is due for one step only, and the oldest go first. A step works in batches of one
// owner each, every batch a transaction of its own that closes with the owner's counters; between two batches writers
// get their turn. A batch names the state in which it found its rows, so that doing it twice, or being killed anywhere,
// changes nothing: the next sweep finds what is still due.
//
// Decision: a payload is in two places while it moves, never in none. A sweep makes an object known, writes and
// verifies it, and only then empties the rows; an object without rows is condemned, deleted and forgotten, in this order.
// What a kill leaves behind is thus always an object that no row needs, and the next sweep begins with deleting those. A
// sweep that has lost its lock without noticing can not empty rows into an object that the next one has condemned.
package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// batchEntries is how many entries one transaction touches: their owner's writers wait that long.
	batchEntries = 20
	// objectEntries and batchBytes bound what is in memory, and an object of the archive.
	objectEntries = 1000
	batchBytes    = 4 << 20
	// pageEntries is how many due entries are found with one query.
	pageEntries = 20_000
	// pauseFactor times as long as a batch took is the pause after it, between these bounds: the sweep leaves most of the
	// database's time to others, the more the busier it is.
	pauseFactor = 3
	minPause    = 2 * time.Millisecond
	maxPause    = 250 * time.Millisecond
	// progressEvery is how often figures are stored and told.
	progressEvery = time.Second
	// finishTimeout bounds the last words of a sweep that is told to stop.
	finishTimeout = 5 * time.Second
	// checkEvery is how often the schedule looks at the clock, which may jump.
	checkEvery = 30 * time.Second
	// startTimeout bounds the wait for the part that sweeps.
	startTimeout = 2 * time.Second
	// beginTimeout bounds the wait for the lock and the note that a sweep begins, and is less than a request has.
	beginTimeout = 10 * time.Second
	// maxSkipped owners in whom something is wrong end a step: the fault is not theirs, and each may take long to fail.
	maxSkipped = 20
	// namedSkips bounds those that the report of a step names.
	namedSkips = 3
	// countTimeout bounds a dry run.
	countTimeout = 10 * time.Minute
	// maxOwners bounds the owners that a dry run names for each step.
	maxOwners = 1000
)

// errNotAlone ends a sweep whose lock went with its connection: another process may have begun one.
var errNotAlone = errors.New("the lock of the sweep is lost")

// Settings say when and what to sweep. An entry is warm from the age Hot on, cold from Warm, and deleted at Cold.
type Settings struct {
	Hot, Warm, Cold time.Duration
	At              time.Duration    // of the daily sweep, after midnight UTC
	Now             func() time.Time // nil: time.Now
	Log             *slog.Logger     // nil: nothing is logged
}

// Sweeper sweeps, restores and verifies. Its methods are safe for concurrent use; one of them works at a time in all
// processes on a database, the others get a conflict.
type Sweeper struct {
	store    *store.Store
	archive  *archive.Archive
	settings Settings
	jobs     chan *Running
}

// New returns a sweeper. Nothing runs until Serve or Run.
func New(st *store.Store, a *archive.Archive, s Settings) *Sweeper {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return &Sweeper{store: st, archive: a, settings: s, jobs: make(chan *Running)}
}

// Settings returns what the sweeper was made with.
func (s *Sweeper) Settings() Settings { return s.settings }

// now has the resolution that PostgreSQL keeps.
func (s *Sweeper) now() time.Time { return s.settings.Now().UTC().Truncate(time.Microsecond) }

// Options say how to sweep, and who wants it.
type Options struct {
	DryRun bool          // only count
	Within time.Duration // of a dry run, for one who can not wait longer; 0: ten minutes
	By     string        // schedule, command, api or page; empty: command
	// Asked is who wants it, for the audit list: the line is written with the beginning of the sweep, or not at all.
	// Nil: nobody does.
	Asked *store.Admin
	// Progress, if set, is called about once a second and at the end of each step, by the goroutine that sweeps.
	Progress func(Report)

	scheduled time.Time
	begun     func() // called once the sweep has begun
}

func (o Options) by() string {
	if o.By == "" {
		return "command"
	}
	return o.By
}

// Run sweeps once, or counts what a sweep would do. The error says why there was no sweep, or that ctx ended it; a step
// that was stopped is in the report.
func (s *Sweeper) Run(ctx context.Context, o Options) (Report, error) {
	if o.DryRun {
		return s.count(ctx, o)
	}
	lost, release, err := s.store.LockRetention(ctx)
	if err != nil {
		return Report{}, err
	}
	defer release()
	return s.sweep(ctx, o, lost)
}

// count is a dry run. It reads all that is due, which is more than one who waits for an answer may have time for.
func (s *Sweeper) count(ctx context.Context, o Options) (Report, error) {
	within := cmp.Or(o.Within, countTimeout)
	counting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r, err := s.countSteps(counting, o)
	if err != nil && counting.Err() != nil && ctx.Err() == nil {
		return r, worklog.Errorf(worklog.CodeUnavailable, "so much is due that counting takes longer than %s; the command worklog cleanup --dry-run may take %s", within, countTimeout)
	}
	return r, err
}

func (s *Sweeper) countSteps(ctx context.Context, o Options) (Report, error) {
	now := s.now()
	r := Report{DryRun: true, Sweep: store.Sweep{StartedBy: o.by(), State: store.SweepDone, StartedAt: now}}
	for _, st := range s.steps(now) {
		owners, err := s.store.CountDue(ctx, st.due)
		if err != nil {
			return r, err
		}
		sr := StepReport{Step: st.name, Owners: owners}
		for _, o := range owners {
			sr.Entries += o.Entries
			sr.Bytes += o.Bytes
		}
		if sr.MoreOwners = len(owners) - maxOwners; sr.MoreOwners > 0 {
			sr.Owners = owners[:maxOwners]
		} else {
			sr.MoreOwners = 0
		}
		r.add(st.name, sr.Entries)
		r.Steps = append(r.Steps, sr)
	}
	finished := s.now()
	r.UpdatedAt, r.FinishedAt = finished, &finished
	return r, nil
}

// sweep is one pass. The caller holds the lock.
func (s *Sweeper) sweep(ctx context.Context, o Options, lost func(context.Context) error) (Report, error) {
	now := s.now()
	p := &pass{Sweeper: s, options: o, now: now, lost: lost}
	p.report.Sweep = store.Sweep{StartedBy: o.by(), StartedAt: now, UpdatedAt: now}
	if !o.scheduled.IsZero() {
		p.report.ScheduledFor = &o.scheduled
	}
	if err := s.note(ctx, o, &p.report.Sweep); err != nil {
		return Report{}, err
	}
	problems := p.all(ctx)
	return p.finish(ctx, problems)
}

// note makes the beginning of a sweep known, before anything changes.
func (s *Sweeper) note(ctx context.Context, o Options, sw *store.Sweep) (err error) {
	if o.Asked != nil {
		err = o.Asked.BeginSweep(ctx, sw)
	} else {
		err = s.store.BeginSweep(ctx, sw)
	}
	if err == nil && o.begun != nil {
		o.begun()
	}
	return err
}

// all does every step, and says in words for people what could not be done.
func (p *pass) all(ctx context.Context) (problems []string) {
	left := p.dropEmpty(ctx)
	for _, st := range p.steps(p.now) {
		if ctx.Err() != nil {
			break
		}
		p.begin(st.name)
		if err := p.step(ctx, st); err != nil && ctx.Err() == nil {
			p.current().Error = explain(err)
			problems = append(problems, string(st.name)+": "+explain(err))
			p.settings.Log.Error("a step of the sweep was stopped, its entries stay as they are", "step", st.name, "error", err)
			if errors.Is(err, errNotAlone) {
				break
			}
		}
	}
	if left != nil && ctx.Err() == nil { // a folder that was away may be there now
		left = p.dropEmpty(ctx)
	}
	if left != nil {
		problems = append(problems, "left over objects: "+explain(left))
	}
	return problems
}

// explain returns an error in words for people: those of the database are for the log.
func explain(err error) string {
	if errors.Is(err, errNotAlone) {
		return errNotAlone.Error()
	}
	if e, ok := errors.AsType[*worklog.Error](err); ok {
		return e.Message
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// finish stores how the sweep ended, even when ctx has.
func (p *pass) finish(ctx context.Context, problems []string) (Report, error) {
	err := ctx.Err()
	finished := p.Sweeper.now()
	p.report.FinishedAt, p.report.UpdatedAt, p.report.Error = &finished, finished, strings.Join(problems, "\n")
	switch {
	case err != nil:
		p.report.State = store.SweepInterrupted
	case len(problems) > 0:
		p.report.State = store.SweepFailed
	default:
		p.report.State = store.SweepDone
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if e := p.store.UpdateSweep(ctx, &p.report.Sweep); err == nil && e != nil {
		err = fmt.Errorf("note the end of the sweep: %w", e)
	}
	p.tell()
	p.settings.Log.Info("sweep ended", "state", p.report.State, "warm", p.report.Warm, "cold", p.report.Cold, "archived", p.report.Archived, "deleted", p.report.Deleted,
		"freed_bytes", p.report.FreedBytes)
	return p.report, err
}
