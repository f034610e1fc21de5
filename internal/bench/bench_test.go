package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == plainCommand { // a measurement starts this program as its plain server
		if err := servePlain(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	storetest.Main(m)
}

func TestFormNumbersADraft(t *testing.T) {
	t.Parallel()
	f, err := newForm(conversationKey(3), true)
	if err != nil {
		t.Fatal(err)
	}
	var got worklog.Draft
	if err := json.Unmarshal(f.appendTo([]byte(nil), 103), &got); err != nil {
		t.Fatal(err)
	}
	if want := draft(103, true); got.Title != want.Title || got.Key != want.Key || got.Conversation != want.Conversation || got.Details != want.Details {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := got.Validate(time.Now()); err != nil {
		t.Error(err)
	}
}

func TestDraftsOfAMeasurementAreNeverIdentical(t *testing.T) {
	t.Parallel()
	var n numbers
	if first := n.next(500); first != 0 || n.next(1) != 500 {
		t.Error("two requests share numbers")
	}
	if a, b := draft(4, false), draft(8, false); a.Title == b.Title || a.Conversation != b.Conversation {
		t.Errorf("titles %q and %q, conversations %q and %q", a.Title, b.Title, a.Conversation, b.Conversation)
	}
}

func TestStreamFindsEachStampOnceHoweverItIsCut(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_790_000_000, 5)
	text := "event: log\ndata: <li title=\"" + stamp(at) + "\">" + stamp(at) + "</li>\n\ndata: " + stamp(at.Add(1)) + "\n\n"
	for cut := range len(text) {
		s := stream{}
		arrived := 0
		now := at.Add(time.Second)
		rest := s.scan([]byte(text[:cut]), now, func() { arrived++ })
		s.scan(append(bytes.Clone(rest), text[cut:]...), now, func() { arrived++ })
		want := []time.Duration{time.Second, time.Second - 1}
		if arrived != 2 || !reflect.DeepEqual(s.seen, want) {
			t.Fatalf("cut at %d: %d stamps with delays %v, want %v", cut, arrived, s.seen, want)
		}
	}
}

func TestConnKeepsTheConnectionAndReportsRefusals(t *testing.T) {
	t.Parallel()
	peers := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true
		b, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("%q, %v, header %v", b, err, r.Header)
		}
		if string(b) == "bad" {
			http.Error(w, "no good", http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	c, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	h := head(address, "t", "application/json")
	if status, _, err := c.post(h, []byte(`{}`)); status != http.StatusCreated || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	if status, problem, err := c.post(h, []byte(`bad`)); status != http.StatusUnprocessableEntity || !strings.Contains(problem, "no good") || err != nil {
		t.Errorf("got %d, %q, %v", status, problem, err)
	}
	if len(peers) != 1 {
		t.Errorf("%d connections, want one", len(peers))
	}
}

func TestTableSaysWhatMissedItsAim(t *testing.T) {
	t.Parallel()
	got := table([]result{
		compared("posts", 12_345, "COPY", 24_690, 0.4),
		compared("posts", 1_000, "COPY", 24_690, 0.4),
		{what: "delay", figure: milliseconds(2500 * time.Microsecond)},
	})
	for _, line := range []string{
		"| posts | 12,345/s | COPY: 24,690/s | 0.50 | >= 0.40 |", "| posts | 1,000/s | COPY: 24,690/s | 0.04 | >= 0.40 (missed) |", "| delay | 2.5 ms |  |  |  |",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestQuantilesAndMedians(t *testing.T) {
	t.Parallel()
	delays := []time.Duration{4, 1, 3, 2, 5}
	if quantile(delays, 0.5) != 3 || quantile(delays, 1) != 5 || quantile(delays, 0) != 1 || quantile(nil, 0.5) != 0 {
		t.Error("a quantile is wrong")
	}
	if median([]float64{9, 1, 5}) != 5 || median(nil) != 0 {
		t.Error("a median is wrong")
	}
	if got := thousands(1_234_567); got != "1,234,567" {
		t.Errorf("got %s", got)
	}
	if got := thousands(-123); got != "-123" {
		t.Errorf("got %s", got)
	}
}

// Nothing is judged here: a busy machine measures nonsense. But every section has to come to its figures. That of idle
// tabs is left out: it only waits.
func TestEverySectionMeasures(t *testing.T) {
	t.Parallel()
	binary, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSite(t.Context(), binary, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	o := options{rounds: 1, duration: 200 * time.Millisecond, streams: 60, entries: 300, copied: 1000, due: 400}
	for _, section := range sections() {
		if section.name == "idle" {
			continue
		}
		results, err := section.measure(t.Context(), s, o)
		if err != nil || len(results) == 0 {
			t.Errorf("%s: %d results, %v", section.name, len(results), err)
		}
		for _, r := range results {
			checkResult(t, r)
		}
	}
}

func checkResult(t *testing.T, r result) {
	t.Helper()
	if r.figure == "" || strings.HasPrefix(r.figure, "0/s") || strings.HasPrefix(r.figure, "0.0 ms") {
		t.Errorf("nothing was measured: %+v", r)
	}
	if due := deliveries(r.against); strings.HasPrefix(r.what, "POST to stamp") && due[0] != due[1] {
		t.Errorf("deliveries are missing or too many: %+v", r)
	}
}

// deliveries reads "3 of 4 deliveries".
func deliveries(s string) [2]string {
	have, rest, _ := strings.Cut(s, " of ")
	due, _, _ := strings.Cut(rest, " ")
	return [2]string{have, due}
}

// The comparison must write what the write path writes, or it measures something else.
func TestBaselineFillsTheTablesAsWorklogDoes(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), storetest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := &site{pool: pool}
	for i := range users {
		s.users = append(s.users, user{email: fmt.Sprintf("%d@example.org", i), tokenID: uuid.New()})
	}
	b, err := newBaseline(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var n numbers
	if err := b.single(t.Context(), &b.owners[0], n.next(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.copy(t.Context(), &n, 100, true); err != nil {
		t.Fatal(err)
	}
	var rows, stored, filed int
	err = pool.QueryRow(t.Context(), `SELECT count(*), count(conversation_id), (SELECT sum(stored) FROM work_log_stats) FROM work_logs`).Scan(&rows, &filed, &stored)
	if err != nil || rows != 101 || filed != 101 || stored != 1 {
		t.Errorf("%d rows, %d in a conversation, %d counted, %v", rows, filed, stored, err)
	}
}
