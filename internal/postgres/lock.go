package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockTries is how often the lock of the program is tried: a process that another part of this one starts at that moment
// holds whatever was open here until it runs its program.
const lockTries = 20

// pollInterval is how often a lock or a file is looked at that nobody announces.
const pollInterval = 5 * time.Millisecond

// serverLock is the file whose lock the server's processes hold.
const serverLock = "postgres.lock"

// ErrInUse reports that another program runs a server on the same directory.
var ErrInUse = errors.New("in use by another worklog")

// lockProgram takes the directory for this program, until the returned file is closed or the program ends.
func lockProgram(dir string) (*os.File, error) {
	f, err := openLock(dir, "lock")
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	for n := 1; err == nil && !ok && n < lockTries; n++ {
		time.Sleep(pollInterval)
		ok, err = tryLock(f)
	}
	if err == nil && !ok {
		pid := make([]byte, 20)
		n, _ := f.ReadAt(pid, 0)
		err = fmt.Errorf("%s is %w", dir, ErrInUse)
		if id := strings.TrimSpace(string(pid[:n])); id != "" {
			err = fmt.Errorf("%w (process %s)", err, id)
		}
	}
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// lockServer takes the lock that the server's processes are to inherit. It waits until the processes of an earlier
// server have ended.
func lockServer(ctx context.Context, dir string) (*os.File, error) {
	f, err := openLock(dir, serverLock)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return f, nil
		}
		if err == nil {
			err = pause(ctx, pollInterval)
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
	}
}

func openLock(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
}

func tryLock(f *os.File) (bool, error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil:
			return true, nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
