package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/backup"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// beside returns an empty installation whose archive is to be where another has its own.
func (s *site) beside(t *testing.T) *site {
	t.Helper()
	to := newSite(t, storetest.Empty(t))
	to.bucket, to.dir = s.bucket, s.dir
	return to
}

func (s *site) takeOver(path string) error {
	s.t.Helper()
	b, err := backup.Open(s.t.Context(), path)
	s.must(err)
	defer b.Close()
	return b.Restore(s.t.Context(), s.Store, s.bucket, backup.RestoreOptions{TakesOver: true})
}

func (s *site) mark() string {
	s.t.Helper()
	id, err := s.Installation(s.t.Context())
	s.must(err)
	return filepath.Join(s.dir, id+".archive")
}

// A copy and the installation that it is of would sweep each other's objects away: both believe that the prefix is theirs.
func TestACopyDoesNotGetTheArchiveOfTheInstallationThatItIsOf(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	for _, place := range []struct {
		what   string
		change func() error // of the place as it was before
	}{
		{"with its mark", func() error { return nil }},
		{"of a time without a mark", func() error { return os.Remove(from.mark()) }},
		{"with a mark, and no object", func() error {
			return errors.Join(os.RemoveAll(strings.TrimSuffix(from.mark(), ".archive")), os.WriteFile(from.mark(), []byte("any"), 0o600))
		}},
	} {
		from.must(place.change())
		to := from.beside(t)
		err := restore(t, path, to)
		if worklog.CodeOf(err) != worklog.CodeConflict || !strings.Contains(err.Error(), "--takes-over") || !strings.Contains(err.Error(), "WORKLOG_ARCHIVE_URL") {
			t.Errorf("%s: restored beside the installation: %v", place.what, err)
		}
		if n := to.one("SELECT (to_regclass('users') IS NULL)::text"); n != "true" {
			t.Errorf("%s: something was restored", place.what)
		}
	}
	to := from.beside(t)
	to.must(to.takeOver(path))
	if got, want := to.one("SELECT count(*)::text FROM work_logs"), from.one("SELECT count(*)::text FROM work_logs"); got != want {
		t.Errorf("the one that takes over has %s entries, want %s", got, want)
	}
	if err := restore(t, path, from.beside(t)); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("a copy beside the one that has taken over: %v", err)
	}
}

func TestACopyOfAnInstallationThatHadNoArchiveYetDoesNotGetTheLaterOne(t *testing.T) {
	t.Parallel()
	from := newSite(t, storetest.DSN(t))
	from.admin("root@example.org")
	path := from.backup()
	id, err := from.Installation(t.Context())
	from.must(err)
	from.must(archive.Mark(t.Context(), from.bucket, id))
	if err := restore(t, path, from.beside(t)); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("restored beside it: %v", err)
	}
}

// stopping is a bucket that ends the restore with the first object after the mark.
type stopping struct {
	archive.Bucket
	puts int
	stop func()
}

func (s *stopping) Put(ctx context.Context, name string, data []byte) error {
	err := s.Bucket.Put(ctx, name, data)
	if s.puts++; s.puts == 2 {
		s.stop()
		return ctx.Err()
	}
	return err
}

func TestARestoreThatWasStoppedIsBegunAgainWithoutTakingOver(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	to := newSite(t, storetest.Empty(t))
	b, err := backup.Open(t.Context(), path)
	to.must(err)
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = b.Restore(ctx, to.Store, &stopping{Bucket: to.bucket, stop: cancel}, backup.RestoreOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it was not stopped: %v", err)
	}
	to.must(restore(t, path, to))
	if err := restore(t, path, to.beside(t)); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("once it is whole, a copy beside it: %v", err)
	}
}
