package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestServerNeverRunsAsRoot(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t) // below a directory that root alone may enter, when root runs the test
	start(t, dir)
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(postmaster(t, dir))))
	if err != nil {
		t.Fatal(err)
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	if os.Geteuid() == 0 && uid == 0 || os.Geteuid() != 0 && uid != os.Geteuid() {
		t.Errorf("the server runs as user %d, the test as %d", uid, os.Geteuid())
	}
}
