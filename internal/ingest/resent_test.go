package ingest_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/worklog"
)

// An exporter keeps what it is told to send again: saying that it was suppressed would be wrong a minute later.
func TestWhatIsSentAgainWasNotSuppressed(t *testing.T) {
	b := setup(t)
	receipts, err := b.AppendAs(b.ctx, b.me, ingest.Manner{Agent: true, Resent: true}, drafts(perMinute+2, "c"))
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, receipts, strings.Repeat("stored ", perMinute)+"limited limited")
	if state := b.LimitAs(b.me, ingest.Manner{Agent: true}); state.Limit != perMinute || state.Remaining != 0 {
		t.Errorf("%+v", state)
	}
	b.Refused(b.me, 3)
	b.Refused(b.me, 0)
	b.Skipped(4)
	if n := b.Snapshot().Skipped; n != 4 {
		t.Errorf("%d skipped", n)
	}
	stats, rows := b.flushed(t)
	if stats.Limited != 2 || stats.Invalid != 3 || len(rows) != perMinute {
		t.Errorf("%+v, %d entries", stats, len(rows))
	}
}

func TestATokenForTelemetryWritesThroughAgentsDoorsOnly(t *testing.T) {
	b := setup(t)
	p := b.token(t, "6f8d6a63-3a0b-4f0c-9c63-6f2f0a1b2c3d", account.ScopeOTLP)
	if _, err := b.Append(b.ctx, p, drafts(1, "c")); worklog.CodeOf(err) != worklog.CodeForbidden {
		t.Errorf("%v", err)
	}
	receipts, err := b.AppendAs(b.ctx, p, ingest.Manner{Agent: true}, drafts(1, "c"))
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, receipts, "stored")
}
