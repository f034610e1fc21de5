package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPause is how often a lock is tried that another process has: the system's own wait knows no deadline.
const lockPause = 2 * time.Millisecond

// Lock takes the lock of a file, which is made if need be, and waits for it until ctx ends. Closing the file gives it
// back; so does the end of the process, however it ends. With a ctx that has ended it tries once.
func Lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), f.Close())
		case <-time.After(lockPause):
		}
	}
}
