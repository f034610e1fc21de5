package store_test

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
)

func TestEveryStatementIsCounted(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	u, err := s.CreateUser(t.Context(), "counted@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Queries()
	if _, err := s.Stats(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	one := s.Queries() - before
	if one < 1 {
		t.Error("a read was not counted")
	}
	b := store.Batch{Now: time.Now().UTC(), Counts: nil}
	b.Writes = []store.Write{{Owner: u.ID, EntryID: "not a UUID", Patch: true}}
	before = s.Queries()
	if _, _, err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if n := s.Queries() - before; n < 3 {
		t.Errorf("the pipeline of a write was counted as %d statements", n)
	}
}
