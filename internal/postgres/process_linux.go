package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithParent makes the kernel send s to the child when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr, s syscall.Signal) { attr.Pdeathsig = s }

// serverProcesses lists the processes that work in a data directory: every process of a server has it as its
// working directory.
func serverProcesses(data string) []int {
	if real, err := filepath.EvalSymlinks(data); err == nil {
		data = real
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	var pids []int
	for _, link := range links {
		if dir, err := os.Readlink(link); err != nil || dir != data {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
