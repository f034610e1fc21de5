package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is an operating system user other than the one who runs this program.
// All methods work on nil, which stands for that very user.
type account struct{ uid, gid uint32 }

// serverAccount decides whom the server runs as. Only root has a choice, and a need for one: whoever owns the data, else
// the user that PostgreSQL's package made, else nobody.
func serverAccount(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the documented account of this program
	}
	if info, err := os.Stat(data); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return &account{uid: stat.Uid, gid: stat.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &account{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// own gives a directory and all in it to the account, unless it already has it.
func (a *account) own(dir string) error {
	if a == nil {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == a.uid {
		return nil
	}
	// The directory itself comes last: a walk that was cut short is repeated.
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		return os.Lchown(path, int(a.uid), int(a.gid))
	})
	if err == nil {
		err = os.Lchown(dir, int(a.uid), int(a.gid))
	}
	if err != nil {
		return fmt.Errorf("give %s to the user that runs PostgreSQL: %w", dir, err)
	}
	return nil
}

// credential makes a child process run as the account, without any of root's groups.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// reaches reports whether the account may pass through dir and all above it.
func (a *account) reaches(dir string) bool {
	if a == nil {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		owned := ok && stat.Uid == a.uid && info.Mode()&0o100 != 0
		if !owned && info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
