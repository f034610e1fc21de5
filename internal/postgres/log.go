package postgres

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// keptLines bounds the last words of a server.
const keptLines = 4

// serverLog passes what the server writes on to the log. Statements and the details of errors can hold what users wrote;
// the server is started so that it does not write them.
type serverLog struct {
	r    *os.File
	log  *slog.Logger
	done chan struct{}

	mu    sync.Mutex
	words []string // the last lines that say why
}

func newServerLog(r *os.File, log *slog.Logger) *serverLog {
	o := &serverLog{r: r, log: log, done: make(chan struct{})}
	go o.read()
	return o
}

func (o *serverLog) read() {
	defer close(o.done)
	lines := bufio.NewScanner(o.r)
	for lines.Scan() {
		severity, message, ok := strings.Cut(lines.Text(), ":  ")
		if !ok {
			severity, message = "", strings.TrimSpace(lines.Text())
		}
		o.log.Log(context.Background(), level(severity), "postgres", "severity", severity, "message", message)
		if severity == "FATAL" || severity == "PANIC" || severity == "HINT" || severity == "" {
			o.keep(message)
		}
	}
}

func level(severity string) slog.Level {
	switch severity {
	case "PANIC":
		return slog.LevelError
	case "WARNING":
		return slog.LevelWarn
	default: // an ERROR is answered to the caller, and every stop says FATAL to every connection
		return slog.LevelDebug
	}
}

func (o *serverLog) keep(message string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.words) == keptLines {
		o.words = o.words[1:]
	}
	o.words = append(o.words, message)
}

func (o *serverLog) lastWords() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.words, "; ")
}

// end waits until all is read, but no longer than patience: orphaned backends can hold the pipe open.
func (o *serverLog) end(patience time.Duration) {
	_ = o.r.SetReadDeadline(time.Now().Add(patience))
	<-o.done
	_ = o.r.Close()
}
