//go:build unix

package main

import "golang.org/x/sys/unix"

// freeShare is the percentage of a disk's room that an ordinary user may still fill.
func freeShare(dir string) (float64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	if fs.Blocks == 0 { // a file system that counts nothing
		return 100, nil
	}
	return 100 * float64(fs.Bavail) / float64(fs.Blocks), nil
}
