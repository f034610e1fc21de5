package limit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/worklog"
)

func BenchmarkReserve(b *testing.B) {
	l := limit.New(limit.Options{PerMinute: 60, Now: time.Now})
	var owner atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Reserve(limit.Window{Owner: owner.Add(1) % 100_000}, 1)
		}
	})
}

// BenchmarkSweep is what one sweep costs; a writer waits for at most a sixteenth of it.
func BenchmarkSweep(b *testing.B) {
	l := limit.New(limit.Options{PerMinute: 60, Now: time.Now})
	for owner := range int64(100_000) {
		l.Reserve(limit.Window{Owner: owner}, 5)
	}
	for b.Loop() {
		l.Sweep()
	}
}

func BenchmarkFingerprint(b *testing.B) {
	d := worklog.Draft{Title: "Bash: npm test", Type: worklog.TypeToolCall, Conversation: "c", Details: string(make([]byte, 1000)), Metadata: worklog.Metadata{"exit": 0}}
	for b.Loop() {
		limit.FingerprintOf(&d)
	}
}
