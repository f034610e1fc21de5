package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setUserTimeout makes the kernel notice a vanished reader of a stream in a minute instead of a quarter of an hour.
func setUserTimeout(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
