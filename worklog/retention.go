package worklog

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// Retention says how entries age on a server. What is kept never does.
type Retention struct {
	// After these an entry is warm (its details compressed), cold (they are in the archive), deleted.
	WarmAfter, ColdAfter, DeleteAfter time.Duration
	// NextSweep is when the server looks for what is due. The zero time: never.
	NextSweep time.Time
}

// DeletesBefore returns the time before which an entry must have been logged for the next sweep to delete it.
func (r Retention) DeletesBefore() time.Time {
	if r.DeleteAfter <= 0 || r.NextSweep.IsZero() {
		return time.Time{}
	}
	return r.NextSweep.Add(-r.DeleteAfter)
}

// retentionJSON is Retention on the wire: durations are whole seconds.
type retentionJSON struct {
	Warm   int64     `json:"warm_after_seconds"`
	Cold   int64     `json:"cold_after_seconds"`
	Delete int64     `json:"delete_after_seconds"`
	Next   time.Time `json:"next_sweep"`
}

// MarshalJSON writes durations as whole seconds.
func (r Retention) MarshalJSON() ([]byte, error) {
	return json.Marshal(retentionJSON{int64(r.WarmAfter / time.Second), int64(r.ColdAfter / time.Second), int64(r.DeleteAfter / time.Second), r.NextSweep})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Retention) UnmarshalJSON(b []byte) error {
	var j retentionJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Retention{time.Duration(j.Warm) * time.Second, time.Duration(j.Cold) * time.Second, time.Duration(j.Delete) * time.Second, j.Next}
	return nil
}

// Retention asks how entries age on the server.
func (c *Client) Retention(ctx context.Context) (r Retention, err error) {
	return r, c.get(ctx, "/api/v1/retention", nil, &r, "warm_after_seconds")
}

// Import is [Client.Append] for entries from a file that an agent or a program has written: all of them take places of
// the token's import budget, those that have just happened, too. Keep also keeps the conversations of entries that the
// next sweep of retention would delete.
func (c *Client) Import(ctx context.Context, keep bool, drafts ...Draft) ([]Receipt, error) {
	q := url.Values{"import": {"true"}}
	if keep {
		q.Set("keep", "true")
	}
	return c.append(ctx, appending{query: q}, drafts)
}
