// Package backup writes everything that an installation has into one file, and fills an empty installation from it.
//
// The file is a tar. Its members are rows of one table each, as zstd-compressed COPY text of PostgreSQL, and the objects
// of the archive as they are; the last one, manifest.json, names every other with its checksum. A file without it was
// not finished. Nothing is loaded before the whole file has been checked.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	// format is the version of the file's layout.
	format = 1
	// maxMember is how much COPY text makes a member full: it is held in memory, compressed.
	maxMember = 16 << 20
	// maxObject bounds an object of the archive.
	maxObject = 64 << 20
	// objectTimeout bounds the reading or writing of one.
	objectTimeout = 30 * time.Second
	// objectsPage is how many objects are listed at once.
	objectsPage = 500

	manifestName = "manifest.json"
	partial      = ".partial"
	fileMode     = 0o600
)

// Manifest is the last member of a backup.
type Manifest struct {
	Format     int       `json:"format"`
	Worklog    string    `json:"worklog"` // the version that wrote it
	BeganAt    time.Time `json:"began_at"`
	FinishedAt time.Time `json:"finished_at"`

	Installation string   `json:"installation"`
	Epoch        string   `json:"epoch"`
	Migrations   []string `json:"migrations"`
	Owners       int      `json:"owners"`
	Entries      int64    `json:"entries"`
	// LongestSnapshot is how long an owner's data was held still at most, in milliseconds.
	LongestSnapshot int64    `json:"longest_snapshot_ms"`
	Members         []Member `json:"members"`
	// Missing are objects of the archive that could not be read. Their entries keep title and facts.
	Missing []Missing `json:"missing,omitempty"`
}

// Member is a part of the file.
type Member struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Table and what follows are set for rows, Object for an object of the archive.
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`
	Rows    int64    `json:"rows,omitempty"`
	Owner   int64    `json:"owner,omitempty"`
	Again   bool     `json:"again,omitempty"`
	Object  string   `json:"object,omitempty"`

	offset int64 // in the file, when it was read
}

// Missing is an object that is not in the backup, and why.
type Missing struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// Source is the database that is backed up.
type Source interface {
	LockRetention(ctx context.Context) (lost func(context.Context) error, release func(), err error)
	DumpShared(ctx context.Context, to store.Dumper) (store.DumpHead, error)
	DumpOwner(ctx context.Context, owner int64, to store.Dumper) (store.Snapshots, error)
	Objects(ctx context.Context, owner int64, after string, limit int) ([]store.ArchiveObject, error)
}

// Options say more about a backup.
type Options struct {
	Version  string // of the program
	Now      func() time.Time
	Begin    func(context.Context) error // called when nothing can keep the backup from beginning, and before it does; nil: nothing is
	Progress func(Progress)              // nil: nobody is told
}

// Progress is how far a backup or a restore is.
type Progress struct {
	Owners, AllOwners int
	Entries, Bytes    int64
}

// Write backs up an installation into the file at path, which takes its name when it is whole and on disk. While it
// runs nothing is swept. The bucket is where the archive is.
func Write(ctx context.Context, path string, s Source, bucket archive.Bucket, o Options) (*Manifest, error) {
	lost, release, err := s.LockRetention(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if o.Begin != nil {
		if err := o.Begin(ctx); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path+partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := &writer{tar: tar.NewWriter(f), options: o, manifest: Manifest{Format: format, Worklog: o.Version, BeganAt: o.Now().UTC()}}
	if err := w.all(ctx, s, bucket, lost); err != nil {
		_ = os.Remove(f.Name())
		return nil, err
	}
	if err := publish(f, path); err != nil {
		return nil, err
	}
	return &w.manifest, nil
}

// publish gives a file its name once it is on disk; one that is not must not take the place of the last backup.
func publish(f *os.File, path string) error {
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writer writes the members of a backup.
type writer struct {
	tar      *tar.Writer
	options  Options
	manifest Manifest
	rows     *rows // being collected
	progress Progress
}

func (w *writer) all(ctx context.Context, s Source, bucket archive.Bucket, lost func(context.Context) error) error {
	head, err := s.DumpShared(ctx, w.table)
	if err != nil {
		return err
	}
	m := &w.manifest
	m.Installation, m.Epoch, m.Migrations, m.Owners = head.Installation, head.Epoch, head.Migrations, len(head.Owners)
	w.progress.AllOwners = len(head.Owners)
	for _, owner := range head.Owners {
		if err := w.owner(ctx, owner, s, bucket); err != nil {
			return err
		}
		if err := lost(ctx); err != nil {
			return fmt.Errorf("the lock that keeps sweeps away was lost: %w", err)
		}
	}
	if err := w.endRows(); err != nil {
		return err
	}
	m.FinishedAt = w.options.Now().UTC()
	text, err := m.encode(maxManifest)
	if err != nil {
		return err
	}
	if err := w.file(manifestName, text); err != nil {
		return err
	}
	return w.tar.Close()
}

// encode refuses what check would not read: a backup that can not be restored must not take the place of one that can.
func (m *Manifest) encode(limit int) ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "\t")
	if err == nil && len(text) > limit {
		err = fmt.Errorf("the backup was not written: its list of %d parts takes %d bytes, and may take %d; it could not be restored", len(m.Members), len(text), limit)
	}
	return text, err
}

func (w *writer) owner(ctx context.Context, owner int64, s Source, bucket archive.Bucket) error {
	held, err := s.DumpOwner(ctx, owner, w.table)
	if err != nil {
		return err
	}
	w.manifest.LongestSnapshot = max(w.manifest.LongestSnapshot, held.Longest.Milliseconds())
	if err := w.endRows(); err != nil {
		return err
	}
	for after := ""; ; {
		objects, err := s.Objects(ctx, owner, after, objectsPage)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if err := w.object(ctx, o, bucket); err != nil {
				return err
			}
			after = o.Name
		}
		if len(objects) < objectsPage {
			break
		}
	}
	w.progress.Owners++
	w.tell()
	return nil
}

func (w *writer) tell() {
	if w.options.Progress != nil {
		w.options.Progress(w.progress)
	}
}

// object copies an object of the archive. One that is not there, or not what was written, is noted and stops nothing. An
// archive that is away does: a file without payloads must not take the place of one that has them.
func (w *writer) object(ctx context.Context, o store.ArchiveObject, bucket archive.Bucket) error {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	data, err := bucket.Get(ctx, o.Name, maxObject)
	if sum := sha256.Sum256(data); err == nil && !bytes.Equal(sum[:], o.SHA256) {
		err = archive.ErrDamaged
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = archive.CheckPlace(ctx, bucket, w.manifest.Installation); err == nil {
			err = archive.ErrMissing
		}
	}
	if err != nil && !errors.Is(err, archive.ErrMissing) && !errors.Is(err, archive.ErrDamaged) {
		return fmt.Errorf("archive: read %s: %w", o.Name, err)
	}
	if err != nil {
		w.manifest.Missing = append(w.manifest.Missing, Missing{Object: o.Name, Reason: err.Error()})
		return nil
	}
	name := "archive/" + o.Name
	if err := w.file(name, data); err != nil {
		return err
	}
	w.add(Member{Name: name, Object: o.Name, Owner: o.Owner}, data)
	return nil
}

// table begins the rows of a table; it is a [store.Dumper].
func (w *writer) table(t store.DumpTable) (io.Writer, error) {
	if err := w.endRows(); err != nil {
		return nil, err
	}
	w.rows = &rows{writer: w, table: t}
	return w.rows, nil
}

func (w *writer) endRows() error {
	r := w.rows
	w.rows = nil
	if r == nil {
		return nil
	}
	return r.flush()
}

// rows collects COPY text until there is enough for a member.
type rows struct {
	writer *writer
	table  store.DumpTable
	buf    bytes.Buffer
	zip    *zstd.Encoder
	raw, n int64
}

// Write takes whole lines.
func (r *rows) Write(b []byte) (int, error) {
	if r.zip == nil {
		var err error
		if r.zip, err = zstd.NewWriter(&r.buf, zstd.WithEncoderConcurrency(1)); err != nil {
			return 0, err
		}
	}
	n, err := r.zip.Write(b)
	r.raw += int64(n)
	r.n += int64(bytes.Count(b, []byte("\n"))) // COPY escapes those within values
	if err == nil && r.raw >= maxMember {
		err = r.flush()
	}
	return n, err
}

// flush writes what was collected as a member. Without rows there is none.
func (r *rows) flush() error {
	if r.zip == nil {
		return nil
	}
	if err := r.zip.Close(); err != nil {
		return err
	}
	w, t := r.writer, r.table
	name := fmt.Sprintf("rows/%s/%06d.copy.zst", t.Name, len(w.manifest.Members))
	if err := w.file(name, r.buf.Bytes()); err != nil {
		return err
	}
	w.add(Member{Name: name, Table: t.Name, Columns: t.Columns, Rows: r.n, Owner: t.Owner, Again: t.Again}, r.buf.Bytes())
	if t.Name == "work_logs" && !t.Again {
		w.manifest.Entries += r.n
		w.progress.Entries += r.n
	}
	r.zip, r.raw, r.n = nil, 0, 0
	r.buf.Reset()
	w.tell()
	return nil
}

func (w *writer) file(name string, data []byte) error {
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: fileMode, ModTime: w.manifest.BeganAt.Truncate(time.Second), Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(head); err != nil {
		return err
	}
	_, err := w.tar.Write(data)
	return err
}

func (w *writer) add(m Member, data []byte) {
	sum := sha256.Sum256(data)
	m.Bytes, m.SHA256 = int64(len(data)), hex.EncodeToString(sum[:])
	w.manifest.Members = append(w.manifest.Members, m)
	w.progress.Bytes += m.Bytes
}
