package worklog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestTheHandlerKeepsTheRulesOfSlog(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	h := worklog.NewHandler(recorder(&got).client(), worklog.HandlerOptions{Level: slog.LevelDebug})
	results := func() []map[string]any {
		var list []map[string]any
		for _, d := range got {
			m := map[string]any{slog.MessageKey: d.Title, slog.LevelKey: d.Status}
			if d.LoggedAt != nil {
				m[slog.TimeKey] = *d.LoggedAt
			}
			for k, v := range d.Metadata {
				m[k] = v
			}
			list = append(list, m)
		}
		return list
	}
	if err := slogtest.TestHandler(h, results); err != nil {
		t.Error(err)
	}
}

type badStringer struct{ p *int }

func (b badStringer) String() string { return string(rune(*b.p)) }

func TestTheHandlerTurnsARecordIntoADraft(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client()
	log := slog.New(worklog.NewHandler(c, worklog.HandlerOptions{Conversation: "c", Source: "s", Tool: "t"}))
	log.Debug("not this one")
	log.Info("info", "took", 1500*time.Millisecond, "n", 3, "err", errors.New("no"), "bad", badStringer{}, "fun", func() {}, "bytes", []byte("x"),
		slog.Group("g", "at", time.Unix(0, 0).UTC()), "v", struct{ A int }{1})
	log.With("a", 1).WithGroup("h").Warn("warn", "b", 2)
	log.Error(strings.Repeat("é", 600))
	log.Info("")
	if len(got) != 4 {
		t.Fatalf("%d drafts", len(got))
	}
	info := got[0]
	fun, _ := info.Metadata["fun"].(string)
	bad, _ := info.Metadata["bad"].(string)
	delete(info.Metadata, "fun")
	delete(info.Metadata, "bad")
	want := worklog.Metadata{
		"took": "1.5s", "n": jsonNumber("3"), "err": "no", "bytes": "eA==", "g": map[string]any{"at": "1970-01-01T00:00:00Z"}, "v": map[string]any{"A": jsonNumber("1")},
	}
	if !reflect.DeepEqual(info.Metadata, want) || fun == "" || !strings.HasPrefix(bad, "!PANIC") {
		t.Errorf("metadata %v, fun %q, bad %q", info.Metadata, fun, bad)
	}
	if info.Status != worklog.StatusInfo || info.Conversation != "c" || info.Source != "s" || info.Tool != "t" || info.LoggedAt == nil {
		t.Errorf("%+v", info)
	}
	if w := got[1]; w.Status != worklog.StatusWarning || !reflect.DeepEqual(w.Metadata, worklog.Metadata{"a": jsonNumber("1"), "h": map[string]any{"b": jsonNumber("2")}}) {
		t.Errorf("%+v", w)
	}
	if e := got[2]; e.Type != worklog.TypeError || e.Status != worklog.StatusError || len([]rune(e.Title)) != worklog.MaxTitleChars || len([]rune(e.Details)) != 600 {
		t.Errorf("%+v", e)
	}
	if got[3].Title != "INFO" {
		t.Errorf("a record without a message became %q", got[3].Title)
	}
}

func TestLoggingNeverPanicsOrBlocks(t *testing.T) {
	t.Parallel()
	c := wire(func(*http.Request, []byte) (*http.Response, error) { return answer(500, "") }).client(worklog.WithBuffer(2))
	log := slog.New(worklog.NewHandler(c, worklog.HandlerOptions{}))
	loop := map[string]any{}
	loop["loop"] = loop
	for range 10 {
		log.Info("x", "loop", loop)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if s := c.Buffered(); s.Dropped != 10 {
		t.Errorf("%+v", s)
	}
	_ = c.Close(t.Context())
	if bytes.Contains([]byte(c.Buffered().Err.Error()), []byte("panic")) {
		t.Error(c.Buffered().Err)
	}
}
