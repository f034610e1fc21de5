package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
)

// repack gives entries that keep or hold lets stay an object of their own where others have left theirs: what was to be
// deleted by now must not lie in the archive for as long as something else does. What is younger goes on its own.
func (p *pass) repack(ctx context.Context, until time.Time) error {
	for after := ""; ; {
		list, err := p.store.PartialObjects(ctx, after, dropPage)
		if err != nil {
			return err
		}
		for _, o := range list {
			after = o.Name
			err := p.forOwner(ctx, StepArchived, o.Owner, func() error { return p.repackObject(ctx, o, until) })
			if err != nil {
				return err
			}
		}
		if len(list) < dropPage {
			return nil
		}
	}
}

// repackObject moves what stays of an object into a new one. As with what becomes cold, a payload is in two objects while
// it moves, and each batch of rows points to one of them.
func (p *pass) repackObject(ctx context.Context, o store.ArchiveObject, until time.Time) error {
	payloads, err := p.archive.Unpack(ctx, o)
	if errors.Is(err, archive.ErrMissing) || errors.Is(err, archive.ErrDamaged) { // verify tells who asks
		p.settings.Log.Warn("an object that can not be read stays as it is", "object", o.Name, "error", err)
		return nil
	}
	if err != nil {
		return wide{fmt.Errorf("archive: read %s: %w", o.Name, err)}
	}
	staying, err := p.store.Staying(ctx, o, seqsOf(payloads), until)
	payloads = slices.DeleteFunc(payloads, func(x store.Payload) bool { return !staying[x.Seq] })
	if err != nil || len(payloads) == 0 {
		return err
	}
	to, err := p.write(ctx, payloads)
	if err != nil {
		return err
	}
	return p.point(ctx, o, to, seqsOf(payloads))
}

// point lets rows point to another object, and deletes the one that they leave if they were the last.
func (p *pass) point(ctx context.Context, from, to store.ArchiveObject, seqs []int64) error {
	moved := int64(0)
	err := p.batches(ctx, slices.Chunk(seqs, batchEntries), func(seqs []int64) (store.Moved, error) {
		n, empty, err := p.store.RepackEntries(ctx, from, to, seqs)
		moved += n
		for _, o := range empty {
			err = errors.Join(err, p.drop(ctx, o))
		}
		return store.Moved{}, err
	})
	if moved == 0 {
		err = errors.Join(err, p.drop(ctx, to))
	}
	return err
}

func seqsOf(payloads []store.Payload) []int64 {
	seqs := make([]int64, len(payloads))
	for i := range payloads {
		seqs[i] = payloads[i].Seq
	}
	return seqs
}
