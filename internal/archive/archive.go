// Package archive keeps the details and metadata of old entries outside of the database: objects of zstd-compressed
// NDJSON, one owner's entries in each, below the installation's own prefix.
//
// The database knows every object, with its checksum, before it is written (store.CreateObject), and a row gives its
// payload away only after the object has been written, synced and read back. What the archive does not have, or has
// damaged, is said and breaks nothing else.
//
// Decision: objects are never changed. Of one whose entries were deleted or restored in part the rest stays where it is;
// the database counts the rows that need it, and with the last of them the object goes. What is kept lies apart from what
// ages, and a sweep packs anew what keep or hold lets stay in an object that others have left: nobody's payload outlives
// its entry for long. One owner per object makes erasing a person the deletion of whole objects.
package archive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// opTimeout bounds one call to where the objects are.
	opTimeout = 30 * time.Second
	// fillTimeout bounds the wait of a reader of one entry.
	fillTimeout = 10 * time.Second
	// maxObject bounds an object as stored, maxRaw its content: far above what Pack makes.
	maxObject = 64 << 20
	maxRaw    = 64 << 20
	// dropBatch is how many objects of an owner are deleted before the catalog hears of it.
	dropBatch = 100
	// loads bounds the objects that are being read at once.
	loads = 4
	// cacheBytes bounds the content of objects that are kept for the next reader.
	cacheBytes = 32 << 20
)

// What can be wrong with an object. Any other error means that the archive does not answer.
var (
	ErrMissing = errors.New("the object is not in the archive")
	ErrDamaged = errors.New("the object is not what was written")
)

// Bucket is where objects lie. A name has slashes and no more than one bucket knows it.
type Bucket interface {
	// Put stores an object; when it returns, a crash does not lose it.
	Put(ctx context.Context, name string, data []byte) error
	// Get returns an object of at most limit bytes. One that does not exist is fs.ErrNotExist.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// Delete deletes an object; one that does not exist is fine.
	Delete(ctx context.Context, name string) error
	// List goes through the names below a prefix.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// Catalog knows the objects.
type Catalog interface {
	Object(ctx context.Context, name string) (store.ArchiveObject, error)
	Objects(ctx context.Context, owner int64, after string, limit int) ([]store.ArchiveObject, error)
	NeedsArchive(ctx context.Context, owner int64) (bool, error)
	ForgetObjectsOf(ctx context.Context, owner int64, names []string) error
}

// Archive is the archive of one installation. Its methods are safe for concurrent use.
type Archive struct {
	bucket       Bucket
	installation string
	catalog      Catalog
	loading      *semaphore.Weighted
	cache        cache
}

// New returns the archive of an installation in a bucket.
func New(b Bucket, installation string, c Catalog) *Archive {
	return &Archive{bucket: b, installation: installation, catalog: c, loading: semaphore.NewWeighted(loads)}
}

// Pack makes the object of some of an owner's payloads. Nothing is written yet.
func (a *Archive) Pack(owner int64, payloads []store.Payload, now time.Time) (store.ArchiveObject, []byte, error) {
	data, err := encode(payloads)
	if err != nil {
		return store.ArchiveObject{}, nil, err
	}
	sum := sha256.Sum256(data)
	name := path.Join(a.installation, strconv.FormatInt(owner, 10), now.UTC().Format("2006-01"), uuid.Must(uuid.NewV7()).String()+".ndjson.zst")
	return store.ArchiveObject{Name: name, Owner: owner, SHA256: sum[:], Bytes: int64(len(data)), Entries: len(payloads), CreatedAt: now}, data, nil
}

// Write stores an object and reads it back.
func (a *Archive) Write(ctx context.Context, o store.ArchiveObject, data []byte) error {
	if err := a.Claim(ctx); err != nil {
		return err
	}
	put, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := a.bucket.Put(put, o.Name, data); err != nil {
		return fmt.Errorf("archive: write %s: %w", o.Name, err)
	}
	back, err := a.fetch(ctx, o)
	if err == nil && !bytes.Equal(back, data) { // the sum says so already
		err = ErrDamaged
	}
	if err == nil {
		_, err = decode(back)
	}
	if err != nil {
		return fmt.Errorf("archive: read back %s: %w", o.Name, err)
	}
	return nil
}

// Check reads an object and compares it with what was written.
func (a *Archive) Check(ctx context.Context, o store.ArchiveObject) error {
	_, err := a.whole(ctx, o)
	return err
}

// Unpack reads everything that is in an object, by seq. It is for who packs some of it anew.
func (a *Archive) Unpack(ctx context.Context, o store.ArchiveObject) ([]store.Payload, error) {
	lines, err := a.whole(ctx, o)
	if err != nil {
		return nil, err
	}
	list := make([]store.Payload, 0, len(lines))
	for _, l := range lines {
		list = append(list, store.Payload{Owner: o.Owner, Seq: l.Seq, ID: l.ID, LoggedAt: l.LoggedAt, Details: l.Details, Metadata: l.Metadata, ArchiveName: o.Name})
	}
	slices.SortFunc(list, func(a, b store.Payload) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, nil
}

// whole reads an object and compares it with what was written.
func (a *Archive) whole(ctx context.Context, o store.ArchiveObject) (map[string]line, error) {
	data, err := a.fetch(ctx, o)
	if err != nil {
		return nil, err
	}
	lines, err := decode(data)
	if err == nil && len(lines) != o.Entries {
		err = ErrDamaged
	}
	return lines, err
}

// Drop deletes an object.
func (a *Archive) Drop(ctx context.Context, name string) error {
	if err := a.Claim(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	a.cache.forget(name)
	if err := a.bucket.Delete(ctx, name); err != nil {
		return fmt.Errorf("archive: delete %s: %w", name, err)
	}
	return nil
}

// DropOwner deletes every object of an owner who has no entries there any more, known or not.
func (a *Archive) DropOwner(ctx context.Context, owner int64) error {
	needs, err := a.catalog.NeedsArchive(ctx, owner)
	if err != nil {
		return err
	}
	if needs {
		return fmt.Errorf("archive: the objects of user %d are needed still", owner)
	}
	for {
		list, err := a.catalog.Objects(ctx, owner, "", dropBatch)
		if err != nil || len(list) == 0 {
			return errors.Join(err, a.dropStray(ctx, owner))
		}
		var names []string
		for _, o := range list {
			if err := a.Drop(ctx, o.Name); err != nil {
				return err
			}
			names = append(names, o.Name)
		}
		if err := a.catalog.ForgetObjectsOf(ctx, owner, names); err != nil {
			return err
		}
	}
}

// dropStray deletes what lies among an owner's objects and is not known.
func (a *Archive) dropStray(ctx context.Context, owner int64) error {
	for name, err := range a.bucket.List(ctx, path.Join(a.installation, strconv.FormatInt(owner, 10))) {
		if err != nil {
			return fmt.Errorf("archive: list objects of user %d: %w", owner, err)
		}
		if err := a.Drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Names goes through everything that lies below the installation's prefix, known or not.
func (a *Archive) Names(ctx context.Context) iter.Seq2[string, error] {
	return a.bucket.List(ctx, a.installation)
}

// Payload returns details and metadata of an entry from an object. The error is ErrMissing, ErrDamaged, or says why the
// archive does not answer.
func (a *Archive) Payload(ctx context.Context, name, id string) (details string, metadata []byte, err error) {
	lines, ok := a.cache.get(name)
	if !ok {
		if lines, err = a.load(ctx, name); err != nil {
			return "", nil, err
		}
	}
	l, ok := lines[id]
	if !ok {
		return "", nil, ErrDamaged
	}
	return l.Details, l.Metadata, nil
}

func (a *Archive) load(ctx context.Context, name string) (map[string]line, error) {
	if err := a.loading.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer a.loading.Release(1)
	if lines, ok := a.cache.get(name); ok { // somebody else was faster
		return lines, nil
	}
	o, err := a.catalog.Object(ctx, name)
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	data, err := a.fetch(ctx, o)
	if err != nil {
		return nil, err
	}
	lines, err := decode(data)
	if err == nil {
		a.cache.put(name, lines)
	}
	return lines, err
}

// fetch reads an object and compares its checksum.
func (a *Archive) fetch(ctx context.Context, o store.ArchiveObject) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	data, err := a.bucket.Get(ctx, o.Name, min(o.Bytes, maxObject)+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], o.SHA256) {
		return nil, ErrDamaged
	}
	return data, nil
}

// Fill puts details and metadata of an archived entry into the row and says in its Archive what became of it. Of any
// other row it does nothing, nor does a nil archive. The error, if any, is for the log: the row is fit to be shown.
func (a *Archive) Fill(ctx context.Context, row *store.Row) error {
	if a == nil || row.ArchiveName == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	details, metadata, err := a.Payload(ctx, row.ArchiveName, row.ID)
	if err == nil {
		err = row.Metadata.UnmarshalJSON(metadata)
		if err != nil {
			err = ErrDamaged
		}
	}
	switch {
	case err == nil:
		row.Details, row.DetailsBytes, row.Archive = details, len(details), worklog.ArchiveRead
		return nil
	case errors.Is(err, ErrMissing):
		row.Archive = worklog.ArchiveMissing
	case errors.Is(err, ErrDamaged):
		row.Archive = worklog.ArchiveDamaged
	default:
		row.Archive = worklog.ArchiveUnavailable
	}
	return fmt.Errorf("archive: %s: %w", row.ArchiveName, err)
}
