package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
)

// unfolded replaces folders by the transcripts in them, a session's main file before those of its sub-agents: only the
// main file knows who called them.
func (im *importer) unfolded(names []string) (files []string) {
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
			files = append(files, name) // what can not be read is said when it is opened
			continue
		}
		files = append(files, im.transcriptsIn(name)...)
	}
	return files
}

var errNoTranscript = errors.New("there is no transcript in this folder")

// transcriptsIn finds the transcripts in a folder, and names what of it can not be read.
func (im *importer) transcriptsIn(folder string) []string {
	var mains, helpers []string
	unread := false
	main := filepath.Clean(folder) + ".jsonl" // the folder of one session lies beside its main file
	if info, err := os.Stat(main); err == nil && info.Mode().IsRegular() {
		mains = append(mains, main)
	}
	_ = filepath.WalkDir(folder+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error { // of a link to a folder, too
		switch ext := filepath.Ext(transcript.PlainName(path)); {
		case err != nil:
			unread = true
			im.leave(path, err)
		case d.IsDir():
			im.found(path) // unless its list can not be read: then it comes once more, with the error
		case !mayRead(d) || ext != ".jsonl" && ext != ".ndjson" && (ext != ".json" || !strings.HasPrefix(d.Name(), "session-")): // Gemini CLI had such chats
		case strings.HasPrefix(d.Name(), "agent-"):
			helpers = append(helpers, path)
		default:
			mains = append(mains, path)
		}
		return nil
	})
	if files := append(mains, helpers...); len(files) > 0 || im.patient || unread {
		return files
	}
	im.leave(folder, errNoTranscript)
	return nil
}

// mayRead leaves out what is no file: to open a pipe waits for its writer.
func mayRead(d fs.DirEntry) bool { return d.Type().IsRegular() || d.Type() == fs.ModeSymlink }

// parserOf returns a parser for what r holds when it is a transcript. It waits for no more of r than it needs to tell.
func (im *importer) parserOf(r *bufio.Reader, modified time.Time) transcript.Parser {
	for n := 1; ; n = r.Buffered() + 1 {
		_, err := r.Peek(min(n, r.Size()))
		head, _ := r.Peek(r.Buffered())
		if f := transcript.Detect(head); f != transcript.Unknown {
			return im.newParser(f, modified)
		}
		if err != nil || n > r.Size() {
			return nil
		}
	}
}

func (im *importer) newParser(f transcript.Format, modified time.Time) transcript.Parser {
	name := filepath.Base(transcript.PlainName(im.name))
	session := strings.TrimSuffix(name, filepath.Ext(name))
	return transcript.New(f, transcript.Options{Session: session, Agents: im.agents, Now: im.a.now(), Modified: modified})
}

// parse reads a line of a transcript.
func (im *importer) parse(p transcript.Parser, number int, raw []byte, err error) (rows []transcript.Row) {
	long := errors.Is(err, errLongLine)
	if len(bytes.TrimSpace(raw)) > 0 || long {
		im.lines++
	}
	mistake := err
	if !long {
		rows, mistake = p.Line(raw)
	}
	im.tear(number, mistake)
	return rows
}

// end imports what a file leaves when it is over.
func (im *importer) end(p transcript.Parser) error {
	if p == nil {
		return im.flush()
	}
	rows, err := p.Close()
	im.tear(0, err)
	if err := im.rows(rows); err != nil {
		return err
	}
	im.skip(p)
	return im.flush()
}

// skip counts what a parser has made no entries of.
func (im *importer) skip(p transcript.Parser) {
	if p == nil {
		return
	}
	if im.skipped == nil {
		im.skipped = map[string]int{}
	}
	for kind, n := range p.Skipped() {
		im.skipped[kind] += n
	}
}

// tear names a damaged line; one of which nothing is lost is not counted.
func (im *importer) tear(number int, err error) {
	if err == nil {
		return
	}
	if _, ok := errors.AsType[transcript.Repaired](err); !ok {
		im.torn++
	}
	im.mistake(im.name, number, err)
}

// rows sends drafts as batches fill.
func (im *importer) rows(rows []transcript.Row) error {
	for _, row := range rows {
		im.batch = append(im.batch, line{im.name, row.Line, row.Draft})
		if len(im.batch) == importBatch {
			if err := im.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellSkipped says what of the transcripts became no entry.
func (im *importer) tellSkipped() {
	if len(im.skipped) == 0 {
		return
	}
	var kinds []string
	for _, kind := range slices.SortedFunc(maps.Keys(im.skipped), func(a, b string) int {
		if d := im.skipped[b] - im.skipped[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}) {
		kinds = append(kinds, fmt.Sprintf("%d %s", im.skipped[kind], printable(kind)))
	}
	im.progress.print("not entries: " + strings.Join(kinds, ", "))
}
