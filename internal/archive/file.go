package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// temporary ends the name of a file that is being written. One that a kill left behind is an orphan like any other.
const temporary = ".tmp"

// folder is a directory on this machine. It is opened anew for each call, so that one which is away only for a while
// does not matter; os.Root keeps names inside it, whatever links lie there.
type folder struct{ dir string }

// made opens the folder to write; it is made with the first object.
func (f folder) made() (*os.Root, error) {
	if root, err := os.OpenRoot(f.dir); !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, err
	}
	if uid, gid, ok := ownerOf(os.Stat(filepath.Dir(f.dir))); ok {
		_ = os.Lchown(f.dir, uid, gid)
	}
	return os.OpenRoot(f.dir)
}

// ownerOf is whom root gives to what it makes in a directory: the server that runs as them has to read it, and to add to
// it. It is ok for root alone. Where that can not be done, as in some containers, nothing is lost that was there before.
func ownerOf(dir fs.FileInfo, err error) (uid, gid int, ok bool) {
	if err != nil || os.Geteuid() != 0 {
		return 0, 0, false
	}
	stat, ok := dir.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// giveToOwner gives an object and the directories above it to the owner of the folder.
func giveToOwner(root *os.Root, name string) {
	uid, gid, ok := ownerOf(root.Stat("."))
	for ; ok && name != "."; name = path.Dir(name) {
		_ = root.Lchown(name, uid, gid)
	}
}

// errNoFolder is not fs.ErrNotExist: without the folder not one object is missing, all are, as on a disk that is not mounted.
var errNoFolder = errors.New("the archive's folder can not be opened")

// there opens the folder.
func (f folder) there() (*os.Root, error) {
	root, err := os.OpenRoot(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", errNoFolder, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the archive's folder can not be opened: %s", err)
	}
	return root, nil
}

func (f folder) Put(ctx context.Context, name string, data []byte) error {
	root, err := f.made()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	if err := writeSynced(root, name+temporary, data); err != nil {
		_ = root.Remove(name + temporary)
		return err
	}
	err = ctx.Err()
	if err == nil {
		err = root.Rename(name+temporary, name)
	}
	if err != nil {
		_ = root.Remove(name + temporary)
		return err
	}
	giveToOwner(root, name)
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if err := syncDir(root, dir); err != nil || dir == "." {
			return err
		}
	}
}

func writeSynced(root *os.Root, name string, data []byte) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncDir makes the names in a directory survive a crash.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f folder) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	root, err := f.there()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a file", name))
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

func (f folder) Delete(_ context.Context, name string) error {
	root, err := f.there()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, file := range []string{name, name + temporary} {
		if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil { // it has other files
			return nil
		}
	}
	return nil
}

func (f folder) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		root, err := os.OpenRoot(f.dir)
		if errors.Is(err, fs.ErrNotExist) { // nothing was ever archived, or the disk is away: there is nothing to be seen
			return
		}
		if err != nil {
			yield("", err)
			return
		}
		defer func() { _ = root.Close() }()
		stop := errors.New("enough")
		err = fs.WalkDir(root.FS(), prefix, func(name string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // nothing was ever archived, or it is being deleted
				return nil
			case err != nil:
				return err
			case d.IsDir():
				return ctx.Err()
			case !yield(name, nil):
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield("", err)
		}
	}
}
