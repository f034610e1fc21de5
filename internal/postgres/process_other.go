//go:build !linux

package postgres

import (
	"strconv"
	"syscall"
)

// dieWithParent does nothing: other systems have no such signal. The next start stops what was left behind.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// serverProcesses returns the process that postmaster.pid names, if there is one.
func serverProcesses(data string) []int {
	lines := pidFile(data)
	if len(lines) == 0 {
		return nil
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 || syscall.Kill(pid, 0) != nil {
		return nil
	}
	return []int{pid}
}
