package retention

import (
	"context"
	"errors"
	"slices"

	"github.com/worklogdev/worklog/internal/store"
)

const (
	// dropPage is how many left over objects are found with one query.
	dropPage = 100
	// readEntries is how many payloads are read at a time. The size of the metadata is known only then: 64 KB of a draft
	// may be 3 MB as PostgreSQL writes them out.
	readEntries = 25
)

// cool moves the payloads of an owner's entries into objects and gives the entries their new status. What is kept and
// what is not are never in one object: the first would keep the others there. It returns the entries without a payload.
func (p *pass) cool(ctx context.Context, st step, due store.Due, owner int64, seqs []int64) (rest []int64, err error) {
	var aging, kept pile
	for part := range slices.Chunk(seqs, readEntries) {
		payloads, err := p.store.Payloads(ctx, owner, part, due)
		if err != nil {
			return nil, err
		}
		rest = append(rest, without(part, payloads)...)
		for _, payload := range payloads {
			pile := &aging
			if payload.Kept {
				pile = &kept
			}
			if full := pile.add(payload); len(full) > 0 {
				if err := p.pack(ctx, st, due, full); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, payloads := range [][]store.Payload{aging.payloads, kept.payloads} {
		if err := p.pack(ctx, st, due, payloads); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// pile is what goes into an object.
type pile struct {
	payloads []store.Payload
	size     int
}

// add puts a payload on the pile. One that is too much begins the next pile, and the full one is returned.
func (x *pile) add(payload store.Payload) (full []store.Payload) {
	n := len(payload.Details) + len(payload.Metadata)
	if x.size+n > batchBytes {
		full, x.payloads, x.size = x.payloads, nil, 0
	}
	x.payloads, x.size = append(x.payloads, payload), x.size+n
	return full
}

// pack moves payloads of one owner into an object, if there are any.
func (p *pass) pack(ctx context.Context, st step, due store.Due, payloads []store.Payload) error {
	if len(payloads) == 0 {
		return nil
	}
	o, err := p.write(ctx, payloads)
	if err != nil {
		return err
	}
	moved, err := p.empty(ctx, st, due, o, payloads)
	if moved == 0 { // all have changed meanwhile, or none could
		return errors.Join(err, p.drop(ctx, o))
	}
	return err
}

// write makes an object of payloads of one owner and returns once it is safe.
func (p *pass) write(ctx context.Context, payloads []store.Payload) (o store.ArchiveObject, err error) {
	o, data, err := p.archive.Pack(payloads[0].Owner, payloads, p.now)
	if err != nil {
		return o, err
	}
	if err := p.archive.Claim(ctx); err != nil { // while no object is known the folder may be a new one
		return o, wide{err}
	}
	if err := p.store.CreateObject(ctx, o); err != nil {
		return o, err
	}
	err = p.archive.Write(ctx, o, data)
	if err == nil {
		err = p.alone(ctx) // writing may have taken a minute
	}
	if err != nil {
		_ = p.drop(ctx, o) // the next sweep tries again: the object is known
		return o, wide{err}
	}
	p.report.StoredBytes += o.Bytes
	return o, nil
}

// empty takes payloads off their rows once their object is safe, and returns how many.
func (p *pass) empty(ctx context.Context, st step, due store.Due, o store.ArchiveObject, payloads []store.Payload) (moved int64, err error) {
	for part := range slices.Chunk(payloads, batchEntries) {
		err := p.batch(ctx, func() (store.Moved, error) {
			m, err := p.store.ArchiveEntries(ctx, o, part, st.to, due)
			moved += m.Entries
			return m, err
		})
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// without returns the numbers of entries that have no payload.
func without(seqs []int64, payloads []store.Payload) []int64 {
	have := make(map[int64]bool, len(payloads))
	for i := range payloads {
		have[payloads[i].Seq] = true
	}
	return slices.DeleteFunc(seqs, func(seq int64) bool { return have[seq] })
}

// remove deletes entries, and the objects that only they needed.
func (p *pass) remove(ctx context.Context, owner int64, seqs []int64, due store.Due) (store.Moved, error) {
	moved, empty, err := p.store.DeleteEntries(ctx, owner, seqs, due)
	for _, o := range empty {
		if err := p.drop(ctx, o); err != nil {
			return moved, err
		}
	}
	return moved, err
}

// drop deletes an object that no entry points to.
func (p *pass) drop(ctx context.Context, o store.ArchiveObject) error {
	dropped, err := p.Sweeper.drop(ctx, o.Name)
	if dropped {
		p.report.DroppedBytes += o.Bytes
	}
	if err != nil {
		return wide{err}
	}
	return nil
}

// drop deletes an object unless entries point to it after all, and reports whether it has.
func (s *Sweeper) drop(ctx context.Context, name string) (dropped bool, err error) {
	ok, err := s.store.CondemnObject(ctx, name)
	if err != nil || !ok {
		return false, err
	}
	if err := s.archive.Drop(ctx, name); err != nil {
		return false, err
	}
	return true, s.store.ForgetObject(ctx, name)
}

// dropEmpty deletes the objects that a kill or an archive that was away has left behind.
func (p *pass) dropEmpty(ctx context.Context) error {
	for {
		list, err := p.store.EmptyObjects(ctx, dropPage)
		if err != nil {
			return err
		}
		for _, o := range list {
			if err := p.drop(ctx, o); err != nil {
				return err
			}
		}
		if len(list) < dropPage {
			return nil
		}
	}
}
