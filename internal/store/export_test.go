package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/rollup"
)

// PlanNode is a node of a query plan.
type PlanNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Plans    []PlanNode `json:"Plans"`
}

// PlansOfDashboard explains every question of a dashboard, by its SQL.
func (s *Store) PlansOfDashboard(ctx context.Context, r rollup.Range, at time.Time) (map[string]PlanNode, error) {
	d := &Dashboard{At: at.UTC()}
	d.From, d.To = r.Window(d.At)
	d.Bars = make([]DashboardBar, r.Bars)
	var b pgx.Batch
	d.queue(&b, r, 0)
	plans := map[string]PlanNode{}
	for _, q := range b.QueuedQueries {
		var text string
		if err := s.pool.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+q.SQL, q.Arguments...).Scan(&text); err != nil {
			return nil, err
		}
		var plan []struct{ Plan PlanNode }
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			return nil, err
		}
		plans[q.SQL] = plan[0].Plan
	}
	return plans, nil
}

// WriterConnections is how many connections the write path has opened so far.
func (s *Store) WriterConnections() int64 { return s.writer.Stat().NewConnsCount() }
