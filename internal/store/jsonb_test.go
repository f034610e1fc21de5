package store_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/worklog"
)

// The bytes that an entry counts are those that the sweep takes off again: what PostgreSQL says of the row.
func TestBytesAreCountedAsPostgreSQLStoresThem(t *testing.T) {
	b := setup(t)
	check := func(t rapid.TB, what any) {
		t.Helper()
		var counted, stored int64
		err := b.raw.QueryRow(b.ctx, `SELECT bytes, (SELECT sum(octet_length(title) + octet_length(details) + octet_length(metadata::text)) FROM work_logs)
			FROM work_log_stats`).Scan(&counted, &stored)
		if err != nil || counted != stored {
			t.Fatalf("%v: %d bytes are counted, %d are stored, %v", what, counted, stored, err)
		}
	}
	store := func(tt rapid.TB, m worklog.Metadata) {
		tt.Helper()
		d := worklog.Draft{Title: "ümlaut", Details: "d\u2028", Metadata: m}
		d.Normalize()
		b.append(t, d)
		check(tt, m)
	}
	for _, n := range []string{"0", "-0", "0.0", "-0.0", "1", "-12", "1.50", "1e5", "1E+5", "1.5e3", "1.25e1", "1.0e1", "12e-1", "1e-3", "-0.00120e-2", "100e-2", "0e5", "0.000e2", "1e21", "1.7e308"} {
		store(t, worklog.Metadata{"n": json.Number(n)})
	}
	store(t, worklog.Metadata{"float": 1e21, "small": math.SmallestNonzeroFloat64, "int": 7, "list": []any{}, "map": map[string]any{}, "deep": []any{1, []any{"a", nil, true}}})
	rapid.Check(t, func(rt *rapid.T) {
		m := worklog.Metadata{}
		for i := range rapid.IntRange(0, 5).Draw(rt, "members") {
			key := fmt.Sprint(i) + rapid.StringN(0, 10, 40).Draw(rt, "key")
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				m[key] = rapid.String().Draw(rt, "text")
			case 1:
				m[key] = rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }).Draw(rt, "float")
			case 2:
				m[key] = []any{rapid.Int().Draw(rt, "int"), rapid.String().Draw(rt, "element"), nil, false}
			default:
				m[key] = map[string]any{rapid.String().Draw(rt, "inner"): "\x00\x01\b\f\n\u2028<&>\"\\"}
			}
		}
		store(rt, m)
	})
}
