package store_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// everything is the text of every row of every table, by table.
func (b *bundle) everything(t *testing.T) map[string]string {
	t.Helper()
	rows, err := b.raw.Query(b.ctx, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range tables {
		all[name] = one[string](t, b, "SELECT COALESCE(string_agg(x::text, E'\\n'), '') FROM "+name+" AS x")
	}
	return all
}

// erase runs an erasure to its end.
func (b *bundle) erase(t *testing.T, by store.Admin, user int64) {
	t.Helper()
	if err := by.BeginErasure(b.ctx, user, "asked by Ann@Example.org herself"); err != nil {
		t.Fatal(err)
	}
	for after := int64(0); ; {
		n, last, err := b.EraseSome(b.ctx, user, after)
		after = last
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if err := b.FinishErasure(b.ctx, user); err != nil {
		t.Fatal(err)
	}
}

// leaveTraces gives the bundle's user something in every table.
func (b *bundle) leaveTraces(t *testing.T, by store.Admin) {
	t.Helper()
	b.signIn(t, "cookie")
	b.token(t, "anntoken")
	if err := b.CreateLink(b.ctx, account.LinkReset, b.user.ID, account.HashSecret("link"), time.Hour); err != nil {
		t.Fatal(err)
	}
	var drafts []worklog.Draft
	for i := range 1100 {
		drafts = append(drafts, worklog.Draft{
			Title: fmt.Sprintf("anntitle %d", i), Details: "anndetails", Tool: "anntool", Metadata: worklog.Metadata{"annkey": "annvalue"}, Key: fmt.Sprintf("annkey-%d", i),
			Conversation: fmt.Sprintf("annconv-%d", i%3), ConversationTitle: "annplan",
		})
	}
	drafts = append(drafts, worklog.Draft{Title: "annunfiled"})
	b.append(t, drafts...)
	if err := b.By(account.Actor{User: b.user.ID, Address: "192.0.2.55"}).Record(b.ctx, account.Act{Action: account.ActUserExport, Subject: b.user.ID}); err != nil {
		t.Fatal(err)
	}
	if err := by.SetLimit(b.ctx, b.user.ID, 99); err != nil {
		t.Fatal(err)
	}
}

// S-27
func TestErasureLeavesCountsAndNoWordOfThePerson(t *testing.T) {
	b := setup(t)
	root, by := b.admin(t, "root@example.org")
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	b.leaveTraces(t, by)
	ann := b.user
	b.user = bob
	b.append(t, worklog.Draft{Title: "bobtitle", Conversation: "c"})
	b.user = ann
	b.rollAll(t, time.Now(), 0)
	before, err := b.Stats(b.ctx, ann.ID)
	if err != nil {
		t.Fatal(err)
	}

	b.erase(t, by, ann.ID)

	personal := regexp.MustCompile(`(?i)ann@|ann(title|details|tool|key|value|conv|plan|unfiled|token)|192\.0\.2\.(1|55)\b|Browser/1`)
	for table, text := range b.everything(t) {
		if found := personal.FindString(text); found != "" {
			t.Errorf("%s holds %q", table, found)
		}
	}
	after, err := b.Stats(b.ctx, ann.ID)
	if err != nil || after.Counts != before.Counts || after.Received != before.Received {
		t.Errorf("counts were %+v, are %+v, %v", before.Counts, after.Counts, err)
	}
	if after.Bytes != 0 || after.Entries[worklog.StorageHot] != 0 {
		t.Errorf("still counted as kept: %+v", after)
	}
	u, hash, err := b.UserByID(b.ctx, ann.ID)
	if err != nil || u.Email != store.ErasedName(ann.ID) || !u.Erased || !u.Disabled || u.Admin || u.Limit != 0 || hash != "" {
		t.Errorf("what is left is %+v, %q, %v", u, hash, err)
	}
	if got := b.acts(t, ann.ID); got != "user.export user.limit user.erase user.erased" {
		t.Errorf("written down: %s", got)
	}
	lines, _, err := b.Audit(b.ctx, store.AuditQuery{Action: account.ActUserErase})
	if err != nil || lines[0].Reason != "asked by [erased] herself" || lines[0].Actor.User != root.ID {
		t.Errorf("the order: %+v, %v", lines, err)
	}
	if n := one[int](t, b, "SELECT count(*) FROM work_logs WHERE owner_id = $1", bob.ID); n != 1 {
		t.Errorf("%d entries of somebody else", n)
	}
	if left, err := b.Erasing(b.ctx); err != nil || len(left) != 0 {
		t.Errorf("still to erase: %v, %v", left, err)
	}
	wantCode(t, "once more", by.BeginErasure(b.ctx, ann.ID, "again"), worklog.CodeConflict)
	wantCode(t, "letting the shell in", by.Disable(b.ctx, ann.ID, false, ""), worklog.CodeConflict)
	wantCode(t, "a password for the shell", by.SetPassword(b.ctx, ann.ID, "x"), worklog.CodeConflict)
	if _, err := b.CreateUser(b.ctx, "ann@example.org", "", false); err != nil {
		t.Errorf("the address is not free again: %v", err)
	}
}

func TestErasureClosesEveryDoorAtOnce(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	session := b.signIn(t, "cookie")
	_, hash := b.token(t, "laptop")
	conv := b.append(t, worklog.Draft{Title: "x", Conversation: "c"})[0].Row.ConversationID
	team := worklog.VisibilityTeam
	if _, err := b.UpdateConversation(b.ctx, b.user.ID, conv, worklog.ConversationPatch{Visibility: &team}); err != nil {
		t.Fatal(err)
	}
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	got := b.listen(t)
	if err := by.BeginErasure(b.ctx, b.user.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	told := map[store.Control]bool{}
	for range 3 {
		told[next(t, got)] = true
	}
	for _, c := range []store.Control{{Kind: store.ControlUser, ID: fmt.Sprint(b.user.ID)}, {Kind: store.ControlSession, ID: session}, {Kind: store.ControlConversation, ID: conv}} {
		if !told[c] {
			t.Errorf("nobody was told of %+v: %v", c, told)
		}
	}
	if b.session(t, "cookie").ID != "" {
		t.Error("the session is alive")
	}
	_, _, err = b.TokenByHash(b.ctx, hash)
	wantCode(t, "the token", err, worklog.CodeNotFound)
	_, err = b.Conversation(b.ctx, bob.ID, conv)
	wantCode(t, "a reader of the team", err, worklog.CodeNotFound)
	_, _, err = b.UserByEmail(b.ctx, "ann@example.org")
	wantCode(t, "the address", err, worklog.CodeNotFound)
	wantCode(t, "a new token", b.CreateToken(b.ctx, account.Token{ID: uuid.NewString(), OwnerID: b.user.ID, Name: "n", Scopes: account.Scopes()}, []byte("x")), worklog.CodeConflict)
}

// A request that was let in a moment before must not bring the person back.
func TestNothingIsAppendedForSomebodyErased(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	id := b.append(t, worklog.Draft{Title: "running", Key: "k", Status: worklog.StatusWorking})[0].Row.ID
	if err := by.BeginErasure(b.ctx, b.user.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	batch := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond), Counts: map[int64]worklog.Counts{b.user.ID: {Limited: 7}}}
	batch.Writes = []store.Write{b.write(worklog.Draft{Title: "late"}), b.write(worklog.Draft{Title: "running", Key: "k", Status: worklog.StatusSuccess})}
	batch.Writes = append(batch.Writes, store.Write{Owner: b.user.ID, EntryID: id, Repeats: 2}, b.write(worklog.Draft{Title: "bob's"}))
	batch.Writes[3].Owner = bob.ID
	results, locked, err := b.Append(b.ctx, batch)
	if err != nil || len(locked) != 0 {
		t.Fatalf("%v, locked %v", err, locked)
	}
	for i, want := range []worklog.Outcome{worklog.OutcomeInvalid, worklog.OutcomeInvalid, worklog.OutcomeInvalid, worklog.OutcomeStored} {
		if results[i].Outcome != want {
			t.Errorf("write %d: %q, %v", i, results[i].Outcome, results[i].Error)
		}
	}
	if got := one[string](t, b, "SELECT count(*) || ' ' || min(status) FROM work_logs WHERE owner_id = $1", b.user.ID); got != "1 working" {
		t.Errorf("rows: %s", got)
	}
	if n := one[int](t, b, "SELECT limited FROM work_log_stats WHERE owner_id = $1", b.user.ID); n != 0 {
		t.Errorf("counted %d", n)
	}
	alone := store.Batch{Now: batch.Now, Writes: batch.Writes[:1]}
	if results, _, err := b.Append(b.ctx, alone); err != nil || results[0].Outcome != worklog.OutcomeInvalid {
		t.Errorf("alone: %+v, %v", results, err)
	}
}

func TestAnErasureGoesOnWhereAKillLeftIt(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	drafts := make([]worklog.Draft, 1200)
	for i := range drafts {
		drafts[i] = worklog.Draft{Title: "x", Details: "details", Conversation: "c"}
	}
	b.append(t, drafts...)
	if err := by.BeginErasure(b.ctx, b.user.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	n, last, err := b.EraseSome(b.ctx, b.user.ID, 0)
	if err != nil || n == 0 || n == 1200 || last != n {
		t.Fatalf("the first batch took %d, %v", n, err)
	}
	if got := one[int64](t, b, "SELECT hot FROM work_log_stats WHERE owner_id = $1", b.user.ID); got != 1200-n {
		t.Errorf("counted %d after a batch of %d", got, n)
	}
	if err := b.FinishErasure(b.ctx, b.user.ID); err == nil {
		t.Error("finished with entries left")
	}
	other := storetest.Open(t, b.dsn) // another process
	ids, err := other.Erasing(b.ctx)
	if err != nil || !slices.Equal(ids, []int64{b.user.ID}) {
		t.Fatalf("another process finds %v, %v", ids, err)
	}
	if n, last, err = other.EraseSome(b.ctx, b.user.ID, 900); err != nil || n != 300 || last != 1200 {
		t.Errorf("behind the 900th it deletes %d entries up to the %dth, %v", n, last, err)
	}
	for n > 0 { // those before, too
		if n, last, err = other.EraseSome(b.ctx, b.user.ID, last); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.FinishErasure(b.ctx, b.user.ID); err != nil {
		t.Fatal(err)
	}
	if left := one[int](t, b, "SELECT count(*) FROM work_logs") + one[int](t, b, "SELECT count(*) FROM conversations"); left != 0 {
		t.Errorf("%d rows are left", left)
	}
}

// keptOfErased are the columns that may name a user after an erasure, each with its reason. A column that is not here
// has to be cleared, or to be given a reason.
func keptOfErased() map[string]string {
	return map[string]string{
		"audit.actor_id":          "what was done stays; the number is no name",
		"audit.subject_id":        "what was done stays; the number is no name",
		"work_log_stats.owner_id": "counts stay",
		"sweeps.user_id":          "what was done stays; the number is no name",
		"rollup_marks.owner_id":   "counts stay",
		"rollup_owners.owner_id":  "counts stay",
	}
}

// Whoever adds a table that names a user has to think of erasure.
func TestEveryTableThatNamesAUserIsErasedOrExcused(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	b.signIn(t, "cookie")
	b.token(t, "laptop")
	b.append(t, worklog.Draft{Title: "x", Conversation: "c"})
	b.erase(t, by, b.user.ID)
	rows, err := b.raw.Query(b.ctx, `SELECT DISTINCT (c.table_name || '.' || c.column_name)::text FROM information_schema.columns c
		JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = 'bigint'
			AND (c.column_name IN ('owner_id', 'user_id', 'actor_id', 'subject_id') OR EXISTS (
				SELECT FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
				WHERE k.contype = 'f' AND k.confrelid = 'users'::regclass AND k.conrelid = to_regclass('public.' || quote_ident(c.table_name)) AND a.attname = c.column_name))`)
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, name)
	}
	if err := rows.Err(); err != nil || len(columns) < 8 {
		t.Fatalf("%v, %v", columns, err)
	}
	excused := keptOfErased()
	for _, c := range columns {
		table, column, _ := strings.Cut(c, ".")
		n := one[int](t, b, "SELECT count(*) FROM "+table+" WHERE "+column+" = $1", b.user.ID)
		if _, ok := excused[c]; n > 0 && !ok {
			t.Errorf("%s still names the user in %d rows", c, n)
		}
	}
}

func TestEndingsAreErasedUsersAndRevokedTokens(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	gone, _ := b.token(t, "gone")
	b.token(t, "good")
	if _, err := by.RevokeToken(b.ctx, gone); err != nil {
		t.Fatal(err)
	}
	erased, revoked, err := b.Endings(b.ctx)
	if err != nil || len(erased) != 0 || len(revoked) != 1 || revoked[0].ID != gone || time.Since(revoked[0].At) > time.Minute {
		t.Errorf("erased %v, revoked %v, %v", erased, revoked, err)
	}
	b.erase(t, by, b.user.ID)
	erased, _, err = b.Endings(b.ctx)
	if err != nil || len(erased) != 1 || erased[0].ID != fmt.Sprint(b.user.ID) {
		t.Errorf("erased %v, %v", erased, err)
	}
}

// Tools are counted for all who use them. A name that only the person used is a word of theirs, and is counted as another
// tool from then on.
func TestErasureLeavesToolNamesThatOthersUseAndTheCountsOfAll(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	step := func(tool string, took time.Duration) worklog.Draft {
		end := now2026()
		start := end.Add(-took)
		return worklog.Draft{Title: "x", Type: worklog.TypeToolCall, Tool: tool, Status: worklog.StatusError, StartedAt: &start, EndedAt: &end}
	}
	b.appendAt(t, now2026(), step("Bash", time.Second), step("annsecret", time.Second), step("annsecret", time.Hour), step("annother", time.Minute), step("seldom", time.Second))
	ann := b.user
	b.user = bob
	b.appendAt(t, now2026(), step("Bash", time.Second))
	b.appendAt(t, now2026().Add(-48*time.Hour), step("bobs", time.Second))
	b.exec(t, "INSERT INTO tool_times VALUES ($1, 'seldom', 5)", bob.ID) // his entries of it have gone meanwhile
	b.user = ann
	b.rollAll(t, now2026(), 0)
	const sums = "SELECT grain, sum(n), sum(failed), (SELECT sum(d) FROM rollup_tools x, unnest(durations) d WHERE x.grain = r.grain) FROM rollup_tools r GROUP BY 1"
	before := b.table(t, sums)

	b.erase(t, by, ann.ID)

	if after := b.table(t, sums); !slices.Equal(after, before) {
		t.Errorf("counts were %v, are %v", before, after)
	}
	want := []string{"", "Bash", "bobs", "seldom"}
	if names := b.table(t, "SELECT DISTINCT tool FROM rollup_tools"); !slices.Equal(names, want) {
		t.Errorf("tools are %q, want %q", names, want)
	}
	other := one[string](t, b, "SELECT n || ' ' || failed || ' ' || (SELECT string_agg(i || ':' || d, ' ' ORDER BY i) FROM unnest(durations) WITH ORDINALITY u (d, i) WHERE d > 0) FROM rollup_tools WHERE tool = '' AND grain = 'day'")
	if want := fmt.Sprintf("3 3 %d:1 %d:1 %d:1", place(time.Second), place(time.Minute), place(time.Hour)); other != want {
		t.Errorf("other tools of the day: %s, want %s", other, want)
	}
}

// place is where PostgreSQL has the count of a duration.
func place(took time.Duration) int { return rollup.Took(now2026(), now2026().Add(took)) + 1 }
