package limit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/worklog"
)

func fingerprint(t testing.TB, draft string) limit.Fingerprint {
	t.Helper()
	var d worklog.Draft
	if err := json.Unmarshal([]byte(draft), &d); err != nil {
		t.Fatal(err)
	}
	d.Normalize()
	return limit.FingerprintOf(&d)
}

func TestDraftsThatDifferAnywhereHaveDifferentFingerprints_S16(t *testing.T) {
	t.Parallel()
	drafts := []string{
		`{"title":"a|b","tool":"c"}`, `{"title":"a","tool":"b|c"}`, `{"title":"a|bc"}`, `{"title":"a","tool":"bc"}`, `{"title":"ab","tool":"c"}`,
		`{"title":"a"}`, `{"title":"a","type":"error"}`, `{"title":"a","status":"error"}`, `{"title":"a","details":"x"}`, `{"title":"a","source":"x"}`,
		`{"title":"a","conversation":"x"}`, `{"title":"a","conversation_id":"x"}`, `{"title":"a","conversation_title":"x"}`, `{"title":"a","user":"x"}`,
		`{"title":"a","key":"x"}`, `{"title":"a","parent":"x"}`,
		`{"title":"a","started_at":"2026-01-01T00:00:00Z"}`, `{"title":"a","ended_at":"2026-01-01T00:00:00Z"}`, `{"title":"a","logged_at":"2026-01-01T00:00:00Z"}`,
		`{"title":"a","logged_at":"2026-01-01T00:00:00.000001Z"}`,
		`{"title":"a","metadata":{"x":1}}`, `{"title":"a","metadata":{"x":"1"}}`, `{"title":"a","metadata":{"x":null}}`, `{"title":"a","metadata":{"x":{"y":1}}}`,
		`{"title":"a","metadata":{"x.y":1}}`, `{"title":"a","metadata":{"x":[1]}}`, `{"title":"a","metadata":{"x":12345678901234567890}}`,
		`{"title":"a","metadata":{"x":12345678901234567891}}`,
	}
	seen := make(map[limit.Fingerprint]string)
	for _, d := range drafts {
		f := fingerprint(t, d)
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", d, other)
		}
		seen[f] = d
	}
}

func TestDraftsThatSayTheSameHaveOneFingerprint(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{`{"title":"a"}`, `{"title":" a ","type":"info","status":"info","metadata":{}}`},
		{`{"title":"a","metadata":{"x":1,"y":{"b":2,"a":3}}}`, `{"metadata":{"y":{"a":3,"b":2},"x":1},"title":"a"}`},
		{`{"title":"a","logged_at":"2026-01-01T01:00:00+01:00"}`, `{"title":"a","logged_at":"2026-01-01T00:00:00Z"}`},
	}
	for _, pair := range same {
		if fingerprint(t, pair[0]) != fingerprint(t, pair[1]) {
			t.Errorf("%s and %s have different fingerprints", pair[0], pair[1])
		}
	}
}

// A new field of Draft that the fingerprint forgets would merge drafts that differ.
func TestEveryFieldOfADraftCounts(t *testing.T) {
	t.Parallel()
	kind := reflect.TypeFor[worklog.Draft]()
	plain := limit.FingerprintOf(&worklog.Draft{Title: "a"})
	for i := range kind.NumField() {
		d := worklog.Draft{Title: "a"}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		switch f := reflect.ValueOf(&d).Elem().Field(i); f.Interface().(type) {
		case worklog.Metadata:
			f.Set(reflect.ValueOf(worklog.Metadata{"x": 1}))
		case *time.Time:
			f.Set(reflect.ValueOf(&at))
		default:
			f.SetString("x")
		}
		if limit.FingerprintOf(&d) == plain {
			t.Errorf("%s does not count", kind.Field(i).Name)
		}
	}
}

func TestUnwritableMetadataEqualsNothing(t *testing.T) {
	t.Parallel()
	d := worklog.Draft{Title: "a", Metadata: worklog.Metadata{"x": func() {}}}
	if first, second := limit.FingerprintOf(&d), limit.FingerprintOf(&d); first == second {
		t.Error("two drafts with unknown content are taken for the same")
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add(`{"title":"a|b","tool":"c"}`, `{"title":"a","tool":"b|c"}`)
	f.Add(`{"title":"a","metadata":{"x":1,"y":2}}`, `{"title":"a","metadata":{"y":2,"x":1}}`)
	f.Add(`{"title":"a","details":"\u0000"}`, `{"title":"a","details":"\ufffd"}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		var a, b worklog.Draft
		if json.Unmarshal([]byte(first), &a) != nil || json.Unmarshal([]byte(second), &b) != nil {
			return
		}
		a.Normalize()
		b.Normalize()
		now := time.Now()
		if a.Validate(now) != nil || b.Validate(now) != nil {
			return
		}
		equal := limit.FingerprintOf(&a) == limit.FingerprintOf(&b)
		if want := content(t, &a) == content(t, &b); equal != want {
			t.Errorf("same fingerprint: %v, same content: %v\n%s\n%s", equal, want, first, second)
		}
	})
}

// content writes a draft unambiguously, in another way than the fingerprint does.
func content(t *testing.T, d *worklog.Draft) string {
	t.Helper()
	var out bytes.Buffer
	v := reflect.ValueOf(*d)
	for i := range v.NumField() {
		field := v.Field(i).Interface()
		if m, ok := field.(worklog.Metadata); ok && len(m) == 0 {
			field = nil
		}
		if at, ok := field.(*time.Time); ok && at != nil {
			field = at.UnixNano()
		}
		b, err := json.Marshal(field)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", b)
	}
	return out.String()
}
