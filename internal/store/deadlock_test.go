package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// crowd is all kinds of writers of the same two owners.
type crowd struct {
	*bundle
	owners []int64
	admin  store.Admin
}

// conversations are those of an owner that are there at the moment.
func (c *crowd) conversations(ctx context.Context, owner int64) []store.Conversation {
	list, _, err := c.Conversations(ctx, store.ConversationQuery{Viewer: owner})
	if err != nil {
		return nil
	}
	return list
}

// writers are what happens at the same time; each is called with a number that grows. It is longer than other functions
// because it is a list: one kind of writer after the other.
func (c *crowd) writers() map[string]func(ctx context.Context, n int) error {
	due := store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Until: time.Now().Add(time.Hour), Now: time.Now().Add(time.Hour)}
	some := func(ctx context.Context, n int) ([]int64, error) {
		list, err := c.DueEntries(ctx, worklog.StorageHot, due, store.DueEntry{}, 20)
		var seqs []int64
		for _, e := range list {
			if e.Owner == c.owners[n%2] {
				seqs = append(seqs, e.Seq)
			}
		}
		return seqs, err
	}
	each := func(do func(ctx context.Context, owner int64, conv store.Conversation, n int) error) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			owner := c.owners[n%2]
			for _, conv := range c.conversations(ctx, owner) {
				if err := do(ctx, owner, conv, n); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return map[string]func(context.Context, int) error{
		"append": func(ctx context.Context, n int) error {
			b := store.Batch{Now: time.Now().UTC()}
			for i := range 12 {
				d := worklog.Draft{Title: "step", Key: fmt.Sprint(n%3, i), Conversation: fmt.Sprint("c", (n+i)%4), Status: worklog.StatusWorking}
				if i%3 == 0 {
					d.Status, d.Key = worklog.StatusSuccess, ""
				}
				b.Writes = append(b.Writes, writeOf(c.owners[(n+i)%2], d))
			}
			_, _, err := c.Append(ctx, b)
			return err
		},
		"patch": each(func(ctx context.Context, owner int64, conv store.Conversation, n int) error {
			keep, title := n%4 == 0, fmt.Sprint("title ", n)
			_, err := c.UpdateConversation(ctx, owner, conv.ID, worklog.ConversationPatch{Title: &title, Keep: &keep})
			return err
		}),
		"delete": func(ctx context.Context, n int) error {
			for _, conv := range c.conversations(ctx, c.owners[n%2]) {
				if conv.Key == fmt.Sprint("c", n%4) {
					if err := c.DeleteConversation(ctx, c.owners[n%2], conv.ID); err != nil {
						return err
					}
				}
			}
			return c.FinishDeletions(ctx)
		},
		"join": func(ctx context.Context, n int) error {
			return c.JoinConversation(ctx, c.owners[n%2], "", fmt.Sprint("c", n%4), fmt.Sprint("c", (n+1)%4))
		},
		"hold": each(func(ctx context.Context, _ int64, conv store.Conversation, n int) error {
			return c.admin.Hold(ctx, conv.ID, n%2 == 0, "a reason that is long enough")
		}),
		"warm": func(ctx context.Context, n int) error {
			seqs, err := some(ctx, n)
			if err == nil {
				_, err = c.WarmEntries(ctx, c.owners[n%2], seqs, due)
			}
			return err
		},
		"sweep": func(ctx context.Context, n int) error {
			seqs, err := some(ctx, n+1)
			if err == nil {
				_, _, err = c.DeleteEntries(ctx, c.owners[(n+1)%2], seqs, due)
			}
			return err
		},
		"count": func(ctx context.Context, _ int) error {
			_, err := c.RollUp(ctx, time.Now(), 100)
			return err
		},
	}
}

// A deadlock would only make somebody wait and try again, and so go unnoticed.
func TestWritersOfAllKindsLockInOneOrder(t *testing.T) {
	b := setup(t)
	_, admin := b.admin(t, "root@example.org")
	c := &crowd{bundle: b, owners: []int64{b.user.ID, b.other(t, "bob@example.org").ID}, admin: admin}
	ctx, cancel := context.WithTimeout(b.ctx, 6*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	done := map[string]int{}
	for name, write := range c.writers() {
		for k := range 2 {
			all.Go(func() {
				for n := k; ctx.Err() == nil; n++ {
					err := write(ctx, n)
					if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "40P01" || pg.Code == "40001") {
						t.Errorf("%s: %v", name, err)
						return
					}
					switch worklog.CodeOf(err) {
					case "", worklog.CodeNotFound, worklog.CodeConflict, worklog.CodeInvalid:
					default:
						if ctx.Err() == nil {
							t.Errorf("%s: %v", name, err)
						}
					}
					mu.Lock()
					done[name]++
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	for name := range c.writers() {
		if done[name] < 2 {
			t.Errorf("%s was done %d times only", name, done[name])
		}
	}
}
