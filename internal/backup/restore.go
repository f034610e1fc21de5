package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	// maxManifest bounds the manifest of a file that may be anything: some 800,000 parts.
	maxManifest = 256 << 20
	// maxWindow bounds the memory of a decoder.
	maxWindow = 64 << 20
)

// Target is the empty installation that a backup goes into.
type Target interface {
	Empty(ctx context.Context) error
	Load(ctx context.Context, head store.DumpHead, load func(*store.Loader) error) error
	Ender
}

// Ender ends again what a restore has brought back.
type Ender interface {
	EndAgain(ctx context.Context, erased, revoked []store.Ended) (int, error)
}

// File is a backup that has been checked from its first byte to its last.
type File struct {
	Manifest
	file *os.File
}

// Open checks the backup at path and opens it. The caller closes it.
func Open(ctx context.Context, path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := &File{file: f}
	if err := b.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return b, nil
}

// Close closes the file.
func (b *File) Close() error { return b.file.Close() }

// check reads the whole file and compares it with its manifest.
func (b *File) check(ctx context.Context) error {
	manifest, found, err := b.scan(ctx)
	if err != nil {
		return err
	}
	if manifest == nil {
		return errNotWhole(nil, nil)
	}
	if err := json.Unmarshal(manifest, &b.Manifest); err != nil {
		return fmt.Errorf("the manifest is damaged: %w", err)
	}
	if b.Format != format {
		return fmt.Errorf("the file has format %d, this worklog reads %d", b.Format, format)
	}
	return b.compare(found)
}

// scan reads the manifest and the checksum of everything else.
func (b *File) scan(ctx context.Context) (manifest []byte, found map[string]Member, err error) {
	found = map[string]Member{}
	for t := tar.NewReader(b.file); ; {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return manifest, found, nil
		}
		if err != nil {
			return nil, nil, errNotWhole(manifest, err)
		}
		if head.Name == manifestName {
			if manifest, err = readManifest(head, t); err != nil {
				return nil, nil, err
			}
			continue
		}
		m := Member{Name: head.Name}
		if m.offset, err = b.file.Seek(0, io.SeekCurrent); err != nil {
			return nil, nil, err
		}
		sum := sha256.New()
		if m.Bytes, err = io.Copy(sum, t); err != nil {
			return nil, nil, errNotWhole(nil, err)
		}
		m.SHA256 = hex.EncodeToString(sum.Sum(nil))
		found[m.Name] = m
	}
}

func readManifest(head *tar.Header, r io.Reader) ([]byte, error) {
	if head.Size > maxManifest {
		return nil, fmt.Errorf("the manifest is too large: it has %d bytes, and may have %d", head.Size, maxManifest)
	}
	manifest, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, errNotWhole(nil, err)
	}
	return manifest, nil
}

func (b *File) compare(found map[string]Member) error {
	for i := range b.Members {
		m := &b.Members[i]
		f, ok := found[m.Name]
		switch {
		case !ok:
			return fmt.Errorf("%s is not in the file", m.Name)
		case f.SHA256 != m.SHA256:
			return fmt.Errorf("%s is damaged: its checksum is another one", m.Name)
		case m.Object != "" && !strings.HasPrefix(m.Object, b.Installation+"/"):
			return fmt.Errorf("%s is not an object of this installation", m.Name)
		}
		m.offset = f.offset
	}
	return nil
}

// errNotWhole says what is wrong with a file that is no whole tar, or has no manifest.
func errNotWhole(manifest []byte, err error) error {
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the backup is not whole: it was not finished, or its end is missing")
	}
	if manifest == nil && errors.Is(err, tar.ErrHeader) {
		return errors.New("this is no backup of worklog, or it is damaged")
	}
	return fmt.Errorf("the file is damaged: %w", err)
}

// RestoreOptions say more about a restore.
type RestoreOptions struct {
	// TakesOver: the installation that was backed up is gone for good, and what lies in its archive is the new one's.
	TakesOver bool
	Progress  func(Progress) // nil: nobody is told
}

// Restore fills an empty installation. The objects of the archive come first: an entry must not point to what is not
// there. Whatever a kill leaves undone, the next Restore does again.
func (b *File) Restore(ctx context.Context, to Target, bucket archive.Bucket, o RestoreOptions) error {
	r := &restoring{File: b, bucket: bucket, tell: o.Progress}
	if r.tell == nil {
		r.tell = func(Progress) {}
	}
	if err := to.Empty(ctx); err != nil {
		return err
	}
	if !o.TakesOver {
		if err := archive.CheckFree(ctx, bucket, b.Installation); err != nil {
			return err
		}
	}
	if err := r.objects(ctx, o.TakesOver); err != nil {
		return err
	}
	head := store.DumpHead{Installation: b.Installation, Epoch: b.Epoch, Migrations: b.Migrations}
	return to.Load(ctx, head, func(l *store.Loader) error { return r.rows(ctx, l) })
}

// restoring is one restore under way.
type restoring struct {
	*File
	bucket   archive.Bucket
	tell     func(Progress)
	progress Progress
	marked   bool // the archive, as one that is being restored
}

// objects restores what lies in the archive. A place that is taken over has the mark that it will need.
func (r *restoring) objects(ctx context.Context, takesOver bool) error {
	if !slices.ContainsFunc(r.Members, func(m Member) bool { return m.Object != "" }) {
		return nil
	}
	mark := archive.MarkRestore
	if takesOver {
		mark = archive.Mark
	}
	if err := mark(ctx, r.bucket, r.Installation); err != nil {
		return err
	}
	r.marked = !takesOver
	for _, m := range r.Members {
		if m.Object == "" {
			continue
		}
		if err := r.restoreObject(ctx, m, r.bucket); err != nil {
			return err
		}
		r.progress.Bytes += m.Bytes
		r.tell(r.progress)
	}
	return nil
}

// rows loads all tables. The archive is in use before they are committed: a kill must not leave an installation whose
// place looks free.
func (r *restoring) rows(ctx context.Context, l *store.Loader) error {
	for _, m := range r.Members {
		if m.Table == "" {
			continue
		}
		if err := r.loadRows(ctx, m, l); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if m.Table == "work_logs" && !m.Again {
			r.progress.Entries += m.Rows
		}
		r.progress.Bytes += m.Bytes
		r.tell(r.progress)
	}
	if r.marked {
		return archive.Mark(ctx, r.bucket, r.Installation)
	}
	return nil
}

func (b *File) restoreObject(ctx context.Context, m Member, bucket archive.Bucket) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	data, err := io.ReadAll(io.NewSectionReader(b.file, m.offset, m.Bytes))
	if err != nil {
		return err
	}
	return bucket.Put(ctx, m.Object, data)
}

func (b *File) loadRows(ctx context.Context, m Member, l *store.Loader) error {
	z, err := zstd.NewReader(io.NewSectionReader(b.file, m.offset, m.Bytes), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	n, err := l.Copy(ctx, store.DumpTable{Name: m.Table, Columns: m.Columns, Owner: m.Owner, Again: m.Again}, z)
	if err == nil && n != m.Rows {
		err = fmt.Errorf("%d rows were loaded, %d expected", n, m.Rows)
	}
	return err
}

// Replay is what came of a ledger.
type Replay struct {
	Lines int // of the installation; none: nobody knows what has ended
	Ended int // users and tokens that were back
}

// ReplayLedger ends again what the ledger beside the database says had ended in this installation: a database that was
// set back, by whatever means, does not know of it.
func ReplayLedger(ctx context.Context, f *ledger.File, installation string, to Ender) (r Replay, err error) {
	records, err := f.ReadOf(installation)
	if err != nil {
		return r, fmt.Errorf("ledger: %w", err)
	}
	if r.Lines = len(records); r.Lines == 0 {
		return r, nil
	}
	var erased, revoked []store.Ended
	for _, x := range records {
		if end := (store.Ended{ID: x.ID, At: x.At}); x.Kind == ledger.Erased {
			erased = append(erased, end)
		} else {
			revoked = append(revoked, end)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	r.Ended, err = to.EndAgain(ctx, erased, revoked)
	return r, err
}

// replayTimeout bounds the replay of a ledger.
const replayTimeout = 5 * time.Minute
