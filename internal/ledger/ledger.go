// Package ledger keeps, in a file beside the database, what a restored backup must not bring back: users who were
// erased and tokens that were revoked. It holds ids and times, nothing else.
//
// Decision: the file follows the database, it does not lead. What ended is in the tables the moment it is committed;
// the ledger copies it from there, at each start, with each news and once a minute. So a kill in between loses nothing,
// every process that shares a database has a whole ledger of its own, and a line never speaks of what was rolled back.
// Each line names the installation: a file that outlived its database says nothing about the next one.
package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Kind says what ended.
type Kind string

// The kinds. The id of an erased user is a number, that of a revoked token a UUID.
const (
	Erased  Kind = "erase"
	Revoked Kind = "revoke"
)

// Record is one line.
type Record struct {
	At           time.Time
	Installation string
	Kind         Kind
	ID           string
}

const (
	// maxLine is longer than any line of ours; a longer one is damage.
	maxLine = 512
	mode    = 0o600
)

// File is the ledger of an installation. Several processes may add to it.
type File struct{ path string }

// In returns the ledger in a DATA_DIR. It is made with its first line.
func In(dir string) *File { return &File{filepath.Join(dir, "ledger")} }

// At returns the ledger in a file of any name.
func At(path string) *File { return &File{path} }

// Path is where the ledger is.
func (f *File) Path() string { return f.path }

// Read returns every line that is whole, in the order written; none if there is no file. A line that a crash cut off,
// or that something damaged, is skipped: the next Sync writes it again.
func (f *File) Read() ([]Record, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return read(file)
}

func read(r io.Reader) (records []Record, err error) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		whole := err == nil
		for errors.Is(err, bufio.ErrBufferFull) { // damage: skip to its end
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if x, ok := parse(string(line)); ok && whole {
			records = append(records, x)
		}
		if err != nil {
			return records, nil
		}
	}
}

func parse(line string) (Record, bool) {
	word := strings.Fields(line)
	if len(word) != 4 {
		return Record{}, false
	}
	at, err := time.Parse(time.RFC3339, word[0])
	kind := Kind(word[2])
	return Record{At: at, Installation: word[1], Kind: kind, ID: word[3]}, err == nil && (kind == Erased || kind == Revoked)
}

// ReadOf is Read of the lines of one installation.
func (f *File) ReadOf(installation string) ([]Record, error) {
	records, err := f.Read()
	return slices.DeleteFunc(records, func(r Record) bool { return r.Installation != installation }), err
}

// Sync adds those of the records that the file does not hold, and returns how many. When it returns they are on disk.
func (f *File) Sync(records []Record) (added int, err error) {
	type fact struct {
		installation string
		kind         Kind
		id           string
	}
	there, err := f.Read()
	if err != nil {
		return 0, err
	}
	known := make(map[fact]bool, len(there))
	for _, r := range there {
		known[fact{r.Installation, r.Kind, r.ID}] = true
	}
	var b strings.Builder
	for _, r := range records {
		if x := (fact{r.Installation, r.Kind, r.ID}); !known[x] {
			known[x] = true
			fmt.Fprintf(&b, "%s %s %s %s\n", r.At.UTC().Format(time.RFC3339), r.Installation, r.Kind, r.ID)
			added++
		}
	}
	if added == 0 {
		return 0, nil
	}
	return added, f.append(b.String())
}

// append writes text to the end of the file and waits until it is on disk.
func (f *File) append(text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	giveToOwner(file, filepath.Dir(f.path))
	if n := info.Size(); n > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, n-1); err != nil {
			return err
		}
		if last[0] != '\n' { // a crash cut a line off: it must not swallow ours
			text = "\n" + text
		}
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

// giveToOwner gives a file that root has made to the owner of its directory: the server that runs as them has to add to
// it. Where that can not be done, as in some containers, nothing is lost that was there before.
func giveToOwner(file *os.File, dir string) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(dir); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = file.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
}

// syncDir makes a new file's name last.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
