package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
)

const (
	// wholeAfter is when a last line without an end is taken if it is JSON: its writer has stopped.
	wholeAfter = 2 * time.Second
	// headBytes is how much of a file is looked at to find its format, and headLines after how many it is worklog's own.
	headBytes = 256 << 10
	headLines = 20
	// markBytes is how much of what was read last is compared: a file that was written anew differs there.
	markBytes = 64
	// maxDocument bounds a chat that is one JSON document, which is read again whenever it has changed.
	maxDocument = 64 << 20
)

// followed is a file and how far it has been read.
type followed struct {
	name    string
	info    os.FileInfo // as of the last look; nil: none yet
	known   bool        // its format; without a parser it is worklog's own
	parser  transcript.Parser
	resting bool
	offset  int64  // of the first byte that was not read
	number  int    // of the last line that was read
	open    bool   // that line had no end
	mark    []byte // what stands before offset

	document bool              // one JSON value, and not lines
	lines    int64             // of it, which are counted
	sent     map[[32]byte]bool // the drafts of it that were sent
}

// look reads the lines that a file has got, and reports whether there were any. A file that can not be read is named
// and looked at again the next time.
func (im *importer) look(x *followed, now time.Time) (news bool, err error) {
	info, err := os.Stat(x.name)
	if err != nil {
		im.away(x.name, err)
		return false, nil
	}
	whole := now.Sub(info.ModTime()) > wholeAfter
	if x.info != nil && os.SameFile(x.info, info) && x.info.Size() == info.Size() && x.info.ModTime().Equal(info.ModTime()) &&
		(x.resting || x.document || !whole || x.offset == info.Size()) {
		return false, nil
	}
	file, err := os.Open(x.name)
	if err != nil {
		im.away(x.name, err)
		return false, nil
	}
	defer file.Close()
	im.found(x.name)
	if x.info != nil && !x.document && (x.resting || !os.SameFile(x.info, info) || info.Size() < x.offset || !x.marked(file)) {
		im.skip(x.parser)
		*x = followed{name: x.name} // another file, or written anew; what is known already stays one entry
	}
	x.info = info
	if x.name != transcript.PlainName(x.name) { // nobody appends to a compressed file
		x.resting = true
		return true, im.file(x.name)
	}
	if !x.known && !im.recognize(x, file, whole) {
		return false, nil
	}
	if x.document {
		return im.readDocument(x, file)
	}
	if x.parser != nil && x.number > 0 {
		if err := im.rows(x.parser.Flush(now)); err != nil { // nothing waits: it only learns what time it is
			return false, err
		}
	}
	return im.readLines(x, io.NewSectionReader(file, x.offset, info.Size()-x.offset), whole)
}

// marked reports whether what was read last still stands where it stood.
func (x *followed) marked(file io.ReaderAt) bool {
	there := make([]byte, len(x.mark))
	_, err := file.ReadAt(there, x.offset-int64(len(x.mark)))
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(there, x.mark)
}

// recognize finds a file's format, unless there is too little of it yet.
func (im *importer) recognize(x *followed, file io.ReaderAt, whole bool) bool {
	head := make([]byte, headBytes)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		im.leave(x.name, err)
		return false
	}
	if n == 0 {
		return false
	}
	f := transcript.Detect(head[:n])
	if f == transcript.Unknown && n < headBytes && bytes.Count(head[:n], []byte("\n")) < headLines && !whole {
		return false
	}
	x.known, x.parser = true, im.newParser(f, x.info.ModTime())
	x.document = f == transcript.Gemini && filepath.Ext(x.name) == ".json"
	return true
}

// readLines reads all lines that have an end, and the last one when it is whole.
func (im *importer) readLines(x *followed, r io.Reader, whole bool) (news bool, err error) {
	buffered := bufio.NewReaderSize(r, headBytes)
	for im.a.ctx.Err() == nil {
		raw, length, err := measureLine(buffered)
		ended := !errors.Is(err, io.EOF)
		if !ended && (!whole || !json.Valid(raw)) {
			return news, nil
		}
		if err != nil && ended && !errors.Is(err, errLongLine) {
			im.leave(x.name, err)
			return news, nil
		}
		x.offset += length
		x.mark = append([]byte(nil), raw[max(0, len(raw)-markBytes):]...)
		if x.open && len(bytes.TrimSpace(raw)) == 0 { // the end of a line that was taken without it
			x.open = false
			continue
		}
		x.number++
		x.open, news = !ended, true
		if err := im.take(x.parser, x.number, raw, err); err != nil {
			return news, err
		}
	}
	return news, im.a.ctx.Err()
}

// readDocument reads a chat that is written anew as a whole with each change; half of one says nothing yet.
func (im *importer) readDocument(x *followed, file io.Reader) (news bool, err error) {
	raw, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	if err == nil && len(raw) > maxDocument {
		err = fmt.Errorf("is longer than %d bytes", maxDocument)
	}
	if err != nil {
		im.leave(x.name, err)
		return false, nil
	}
	if !json.Valid(raw) {
		return false, nil
	}
	im.lines -= x.lines
	before := im.lines
	x.parser = im.newParser(transcript.Gemini, x.info.ModTime())
	var rows []transcript.Row
	for line := range bytes.Lines(raw) {
		x.number++
		rows = append(rows, im.parse(x.parser, x.number, line, nil)...)
	}
	rest, err := x.parser.Close()
	im.tear(0, err)
	x.lines, x.number = im.lines-before, 0
	if x.sent == nil {
		x.sent = map[[32]byte]bool{}
	}
	for _, row := range append(rows, rest...) {
		written, err := json.Marshal(row.Draft)
		if sum := sha256.Sum256(written); err != nil || !x.sent[sum] {
			x.sent[sum], news = true, true
			if err := im.rows([]transcript.Row{row}); err != nil {
				return news, err
			}
		}
	}
	return news, nil
}

// standing imports what a file says as it stands: what has begun there is running. A file that was not written to for a
// day is over.
func (im *importer) standing(x *followed, now time.Time) error {
	switch {
	case x.parser == nil || x.document:
		return nil
	case now.Sub(x.info.ModTime()) < restsAfter:
		return im.rows(x.parser.Flush(now))
	}
	rows, err := x.parser.Close()
	im.tear(0, err)
	im.skip(x.parser)
	x.parser, x.resting = nil, true
	return im.rows(rows)
}
