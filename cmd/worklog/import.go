package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
	"github.com/worklogdev/worklog/worklog"
)

const (
	importBatch   = 500
	maxImportLine = 8 << 20
	// shownMistakes is how many damaged lines are named; the others are counted.
	shownMistakes = 20
	// importPatience is how long an import waits for a server that is away.
	importPatience = 5 * time.Minute
	// importTimeout bounds one batch, and importPause is the wait between tries when the server does not say.
	importTimeout = 30 * time.Second
	importPause   = 2 * time.Second
)

// importCmd writes worklog's own NDJSON (drafts, or entries as the API returns them) and the transcripts of agents.
type importCmd struct {
	Conversation string   `help:"The key of a conversation for lines that name none."`
	Follow       bool     `short:"f" help:"Stay and import what is written from now on, also into new files of the folders, until Ctrl-C."`
	NoKeep       bool     `help:"Let retention delete what is old. By default conversations with entries that the next sweep would delete are marked to be kept."`
	Files        []string `arg:"" optional:"" help:"Transcripts, folders of them such as ~/.claude/projects, or files of one draft or entry per line; - or nothing reads standard input."`
}

// Help says what kong can not.
func (importCmd) Help() string {
	return `What a file holds is found out by looking: Claude Code's transcripts (a file, the folder of a session with its
sub-agents, or all of ~/.claude/projects), Codex's rollouts (.jsonl.zst, too), its log and what "codex exec --json"
prints, Gemini CLI's chats, and worklog's own NDJSON. Importing again stores nothing twice. Damaged lines are named and skipped.

  worklog import ~/.claude/projects
  worklog import --follow ~/.claude/projects
  codex exec --json "fix the build" | worklog import --follow

Exit status: 0, or 1 when lines of worklog's own NDJSON could not be imported, a file or folder could not be read (it is
named, and the others are imported), or the server refused or stayed away for 5 minutes (with --follow it is waited for).`
}

// Run imports the files one after another. Running it again stores nothing twice: a line without a key gets one that
// depends on its file's name, its number and its content.
func (cmd importCmd) Run(a *app) error {
	c, err := a.client(worklog.WithTimeout(importTimeout))
	if err != nil {
		return err
	}
	files := cmd.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	im := &importer{
		a: a, c: c, conversation: cmd.Conversation, progress: newProgress(a), agents: transcript.NewAgents(), keep: !cmd.NoKeep, patient: cmd.Follow,
	}
	if cmd.Follow {
		err = im.follow(files)
	} else {
		err = im.files(files)
	}
	im.progress.finish(im.summary())
	im.tellSkipped()
	im.tellRetention()
	if err == nil {
		err = im.incomplete()
	}
	return err
}

// importer is the state of one import.
type importer struct {
	a            *app
	c            *worklog.Client
	conversation string
	progress     *progress
	keep         bool // conversations with entries that the next sweep would delete
	patient      bool // a server that is away is waited for as long as it takes

	left map[string]bool // files and folders that could not be read; false: later they could

	name    string // of the file
	place   string // of the file among many
	batch   []line
	lines   int64 // read so far, of all files
	counts  worklog.Counts
	damaged int64
	shown   int

	agents  *transcript.Agents // of all transcripts
	skipped map[string]int     // lines of transcripts that are no entries, by kind
	torn    int64              // damaged lines of transcripts: nobody can mend them, so they do not fail the import

	retention *worklog.Retention // nil: not asked yet
	due       due
}

// line is a draft and where it stands.
type line struct {
	file   string
	number int
	draft  worklog.Draft
}

// files imports files and folders one after another.
func (im *importer) files(names []string) error {
	names = im.unfolded(names)
	for i, name := range names {
		if len(names) > 1 {
			im.place = fmt.Sprintf("file %d of %d, ", i+1, len(names))
		}
		if err := im.file(name); err != nil {
			return err
		}
	}
	return nil
}

// file imports one file, or names it when it can not be read. The error is the server's.
func (im *importer) file(name string) error {
	in, modified := im.a.stdin, im.a.now()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			im.leave(name, err)
			return nil
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			modified = info.ModTime()
		}
		in = f
	}
	im.name = name
	r, release := transcript.Lines(in)
	defer release()
	p := im.parserOf(r, modified)
	for number := 1; ; number++ {
		raw, err := readLine(r)
		if failed := im.take(p, number, raw, err); failed != nil {
			return failed
		}
		if err == nil || err == errLongLine {
			continue
		}
		if !errors.Is(err, io.EOF) {
			im.leave(name, err)
		}
		return im.end(p)
	}
}

// take reads one line, which p knows, or which is one of worklog's own when p is nil.
func (im *importer) take(p transcript.Parser, number int, raw []byte, err error) error {
	if p != nil {
		return im.rows(im.parse(p, number, raw, err))
	}
	if len(bytes.TrimSpace(raw)) > 0 || errors.Is(err, errLongLine) {
		im.add(number, raw, err)
	}
	if len(im.batch) < importBatch {
		return nil
	}
	return im.flush()
}

var errLongLine = fmt.Errorf("is longer than %d bytes", maxImportLine)

// readLine returns the next line, io.EOF with the last one, or errLongLine, having skipped the rest of it.
func readLine(r *bufio.Reader) (raw []byte, err error) {
	raw, _, err = measureLine(r)
	return raw, err
}

// measureLine is readLine, with the length of what was read.
func measureLine(r *bufio.Reader) (raw []byte, length int64, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		length += int64(len(part))
		if long = long || len(raw)+len(part) > maxImportLine; !long {
			raw = append(raw, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && err == nil:
			return nil, length, errLongLine
		case long:
			return nil, length, errors.Join(errLongLine, err)
		default:
			return raw, length, err
		}
	}
}

// add takes one line, or counts it as damaged.
func (im *importer) add(number int, raw []byte, err error) {
	im.lines++
	if errors.Is(err, errLongLine) {
		im.mistake(im.name, number, errLongLine)
		im.damaged++
		return
	}
	d, err := decodeLine(raw)
	if err != nil {
		im.mistake(im.name, number, err)
		im.damaged++
		return
	}
	if d.Conversation == "" && d.ConversationID == "" {
		d.Conversation = im.conversation
	}
	if d.Key == "" {
		d.Key = lineKey(filepath.Base(im.name), im.conversation, number, raw)
	}
	im.batch = append(im.batch, line{im.name, number, d})
}

// lineKey is the same for the same line of the same file.
func lineKey(file, conversation string, number int, raw []byte) string {
	h := sha256.New()
	for _, part := range []string{file, conversation, fmt.Sprint(number), string(bytes.TrimSpace(raw))} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "import/" + hex.EncodeToString(h.Sum(nil)[:16])
}

// decodeLine reads a draft, or an entry as the API returns it: that has a seq, which no draft has.
func decodeLine(raw []byte) (worklog.Draft, error) {
	var probe struct{ Seq *int64 }
	if json.Unmarshal(raw, &probe) != nil || probe.Seq == nil {
		return worklog.DecodeDraft(raw)
	}
	var e worklog.Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return worklog.Draft{}, errors.New("is not an entry")
	}
	return draftOf(e), nil
}

// draftOf returns the draft that makes e again. The id of a conversation means nothing elsewhere, so it becomes a key:
// what belonged together stays together.
func draftOf(e worklog.Entry) worklog.Draft {
	d := worklog.Draft{
		Title: e.Title, Type: e.Type, Status: e.Status, Tool: e.Tool, Details: e.Details, Metadata: e.Metadata, Key: e.Key, Parent: e.Parent,
		Source: e.Source, Conversation: e.ConversationID,
	}
	if d.Key == "" && e.ID != "" {
		d.Key = "import/" + e.ID
	}
	if d.Source == worklog.SourceWorklog { // reserved for entries of the program's own
		d.Source = ""
	}
	d.StartedAt, d.EndedAt, d.LoggedAt = known(e.StartedAt), known(e.EndedAt), known(e.LoggedAt)
	return d
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// flush sends the batch until every draft has a final receipt. What the server limits is sent again when there is room.
func (im *importer) flush() error {
	pending := im.batch
	im.batch = nil
	var away time.Time // since when the server does not answer
	for len(pending) > 0 {
		drafts := make([]worklog.Draft, len(pending))
		for i := range pending {
			drafts[i] = pending[i].draft
		}
		if err := im.askRetention(); err != nil {
			return err
		}
		receipts, err := im.c.Import(im.a.ctx, im.keep, drafts...)
		again, wait := im.settle(pending, receipts)
		again = append(again, pending[len(receipts):]...)
		if len(again) == 0 {
			break
		}
		if len(receipts) == len(pending) {
			away, err = time.Time{}, nil
		}
		if wait, err = im.patience(&away, wait, err); err != nil {
			return err
		}
		im.progress.note(fmt.Sprintf("%s, waiting %v", im.summary(), wait.Round(time.Second)))
		if err := pauseFor(im.a.ctx, wait); err != nil {
			return err
		}
		pending = again
	}
	im.progress.update(im.summary())
	return nil
}

// settle counts the final receipts and returns the lines that are to be sent again, and when.
func (im *importer) settle(pending []line, receipts []worklog.Receipt) (again []line, wait time.Duration) {
	for i, r := range receipts {
		switch r.Outcome {
		case worklog.OutcomeLimited:
			again = append(again, pending[i])
			wait = max(wait, time.Duration(r.RetryAfter)*time.Second, time.Second)
			continue
		case worklog.OutcomeInvalid:
			im.mistake(pending[i].file, pending[i].number, &worklog.Error{Message: r.Reason, Fields: r.Errors})
		}
		im.counts.Add(r.Outcome, 1)
		im.due.count(&pending[i].draft, r.Outcome, im.retention)
	}
	return again, wait
}

// patience returns how long to wait before the next try, or err when waiting does not help, or not any more.
func (im *importer) patience(away *time.Time, wait time.Duration, err error) (time.Duration, error) {
	if err == nil {
		return wait, nil
	}
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok || (e.Code != worklog.CodeRateLimited && e.Code != worklog.CodeUnavailable) || im.a.ctx.Err() != nil {
		return 0, err
	}
	now := im.a.now()
	if e.Code == worklog.CodeRateLimited {
		*away = time.Time{}
	} else if away.IsZero() {
		*away = now
	} else if now.Sub(*away) > importPatience && !im.patient {
		return 0, err
	}
	return max(wait, e.RetryAfter, importPause), nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// mistake names a line that was not imported.
func (im *importer) mistake(file string, number int, err error) {
	im.shown++
	switch {
	case im.shown <= shownMistakes:
		im.progress.print(fmt.Sprintf("%s:%d: %s", file, number, printable(err.Error())))
	case im.shown == shownMistakes+1:
		im.progress.print("more lines like these are only counted")
	}
}

func (im *importer) summary() string {
	c := im.counts
	return im.place + fmt.Sprintf("%d lines: %d stored, %d updated, %d unchanged, %d merged, %d invalid, %d damaged",
		im.lines, c.Stored, c.Updated, c.Unchanged, c.Merged, c.Invalid, im.damaged+im.torn)
}
