package outbox

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What waits may hold secrets that are taken out only when it is stored.
func TestNobodyElseCanReadWhatWaits(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.set(http.StatusServiceUnavailable)
	root := filepath.Join(t.TempDir(), "state", "outbox")
	o := New(Options{Dir: root, URL: s.URL, Token: "good", Patience: patience, Deliver: func() error { return nil }})
	hand(t, o, `{"n":1}`, `{"n":2}`)
	if err := o.keep(tryPrefix+event{id: "x"}.name(), event{}, []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	if err := o.drop(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	err := filepath.WalkDir(filepath.Dir(root), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else if kinds[filepath.Ext(path)]++; strings.HasPrefix(d.Name(), ".new-") {
			t.Errorf("%s is left", path)
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s is %v, and not %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil || kinds[suffix] != 3 || kinds[""] != 2 { // three events; what was dropped, and the lock
		t.Errorf("%v, %v", kinds, err)
	}
}
