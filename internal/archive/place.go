package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/worklogdev/worklog/worklog"
)

// A folder whose disk is not mounted is there, and empty. Who deletes an object in it finds that it is gone already,
// and who writes one fills the wrong disk. So an installation marks the place of its archive with a file, before its
// first object, and touches no place that does not have it.

const (
	// marked ends the name of the file, which begins with the installation: several may share a place.
	marked     = ".archive"
	markerText = "This is the place of an archive of worklog. Without this file nothing is written here, and nothing deleted.\n"
	// beingRestored is in the mark until a restore is whole: who begins it again need not take anything over.
	beingRestored = "A backup is being restored to this place.\n"
	// maxMarker bounds what is read of it: that it is there is all that counts.
	maxMarker = 1024
	// recognized is how many objects are looked for in a place that has no mark.
	recognized = 10
)

// ErrElsewhere says that the place is reached and is not the one of the archive.
var ErrElsewhere = errors.New("the archive's folder is not the one of this installation")

// Mark makes a bucket the place of an installation's archive.
func Mark(ctx context.Context, b Bucket, installation string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return b.Put(ctx, installation+marked, []byte(markerText))
}

// MarkRestore makes a bucket the place of an archive that is being restored. Mark ends that.
func MarkRestore(ctx context.Context, b Bucket, installation string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return b.Put(ctx, installation+marked, []byte(beingRestored))
}

// CheckFree refuses a bucket in which an installation has its archive to a copy of it: both have the same prefix, and what
// one does not know there it deletes.
func CheckFree(ctx context.Context, b Bucket, installation string) error {
	used, err := inUse(ctx, b, installation)
	if err == nil && used {
		err = worklog.Errorf(worklog.CodeConflict, "the installation that was backed up (%s) has its archive at this WORKLOG_ARCHIVE_URL. "+
			"If it still runs, or will again, set WORKLOG_ARCHIVE_URL to a place of this copy's own and repeat the command. "+
			"If it is gone for good and this one takes its place, repeat the command with --takes-over", installation)
	}
	return err
}

// inUse reports whether a bucket is the place of an installation's archive: it is marked, or has objects from a time
// before there were marks. What a restore that did not end has left does not count.
func inUse(ctx context.Context, b Bucket, installation string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	text, err := b.Get(ctx, installation+marked, maxMarker)
	if err == nil {
		return string(text) != beingRestored, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoFolder) {
		return false, fmt.Errorf("archive: %w", err)
	}
	for _, err := range b.List(ctx, installation) {
		if err != nil {
			return false, fmt.Errorf("archive: list: %w", err)
		}
		return true, nil
	}
	return false, nil
}

// CheckPlace returns ErrElsewhere when a bucket is not the place of an installation's archive.
func CheckPlace(ctx context.Context, b Bucket, installation string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	_, err := b.Get(ctx, installation+marked, maxMarker)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it has no file %s (mount the right one; if this is the right one, make that file)", ErrElsewhere, installation+marked)
	}
	return err
}

// Claim makes sure that the archive is where its objects are. Who is about to make an object known calls it first: a
// place without a mark gets one only while no object is known, or if known ones lie there.
func (a *Archive) Claim(ctx context.Context) error {
	err := CheckPlace(ctx, a.bucket, a.installation)
	if err == nil {
		return nil
	}
	known, e := a.catalog.Objects(ctx, 0, "", recognized)
	if e != nil {
		return e
	}
	ours := len(known) == 0
	for i := 0; i < len(known) && !ours && errors.Is(err, ErrElsewhere); i++ { // from a time before there were marks
		ours = a.Check(ctx, known[i]) == nil
	}
	if ours {
		err = Mark(ctx, a.bucket, a.installation)
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}
