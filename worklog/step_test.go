package worklog_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// recorder keeps the drafts that arrive.
func recorder(drafts *[]worklog.Draft) wire {
	return func(r *http.Request, body []byte) (*http.Response, error) {
		for line := range bytes.Lines(body) {
			d, err := worklog.DecodeDraft(line)
			if err != nil {
				return answer(400, `{"code":"malformed"}`)
			}
			*drafts = append(*drafts, d)
		}
		return stored(r, body)
	}
}

func TestAStepIsOneEntryThatCompletesInPlace(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client(worklog.WithoutKeys())
	ctx := t.Context()
	s := c.Start(ctx, worklog.Draft{Title: "npm test", Tool: "Bash", Conversation: "c"})
	fmt.Fprintln(s, "ok 1")
	s.Set("cwd", "/src")
	child := s.Start(ctx, worklog.Draft{Title: "part"})
	errs := []error{s.Err(), s.Update(ctx), child.Fail(ctx, errors.New("exit status 1")), s.Done(ctx), s.Fail(ctx, errors.New("too late")), s.Update(ctx)}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range got {
		lines = append(lines, fmt.Sprintf("%s %s %v %v %q", d.Title, d.Status, d.Parent == s.Key(), d.EndedAt != nil, d.Details))
	}
	want := []string{
		`npm test working false false ""`, `part working true false ""`, `npm test working false false "ok 1\n"`,
		`part error true true "exit status 1"`, `npm test success false true "ok 1\n"`,
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	last := got[len(got)-1]
	if last.Key != got[0].Key || last.Key == "" || last.StartedAt == nil || last.Metadata["cwd"] != "/src" || child.Key() == s.Key() || got[1].Conversation != "c" {
		t.Errorf("last %+v", last)
	}
}

func TestAStepWhoseStartWasLostIsReportedInFull(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	rec := recorder(&got)
	calls := 0
	c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
		if calls++; calls == 1 {
			return answer(401, `{"code":"unauthorized"}`)
		}
		return rec(r, body)
	}).client()
	s := c.Start(t.Context(), worklog.Draft{Title: "deploy", Type: worklog.TypeDeployment, Details: "plan"})
	if s.Err() == nil {
		t.Error("the lost start is not told")
	}
	if err := s.Warn(t.Context(), "one host is slow"); err != nil {
		t.Fatal(err)
	}
	if d := got[0]; d.Title != "deploy" || d.Type != worklog.TypeDeployment || d.Status != worklog.StatusWarning || d.StartedAt == nil || d.Details != "plan\none host is slow" {
		t.Errorf("%+v", d)
	}
}

func TestTheOutputOfAStepIsBounded(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client()
	s := c.Start(t.Context(), worklog.Draft{Title: "x"})
	for range 100 {
		if n, err := s.Write(bytes.Repeat([]byte("é"), 5000)); n != 10000 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := s.End(t.Context(), errors.New("the end")); err != nil {
		t.Fatal(err)
	}
	if d := got[1].Details; len(d) > worklog.MaxDetailsBytes || !strings.HasSuffix(d, "the end") {
		t.Errorf("%d bytes ending %q", len(d), d[len(d)-20:])
	}
}

func TestAReasonAsLongAsTheDetailsStillEndsTheStep(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client()
	s := c.Start(t.Context(), worklog.Draft{Title: "x", Details: "output"})
	if err := s.End(t.Context(), errors.New(strings.Repeat("why ", worklog.MaxDetailsBytes/4))); err != nil {
		t.Fatal(err)
	}
	if d := got[1]; d.Status != worklog.StatusError || len(d.Details) > worklog.MaxDetailsBytes || !strings.HasPrefix(d.Details, "why ") {
		t.Errorf("%s, %d bytes beginning %.20q", d.Status, len(d.Details), d.Details)
	}
}

// A draft that waits must not change, nor be read while its program writes on.
func TestABufferedDraftSharesNothingWithItsProgram(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	rec := recorder(&got)
	arrive := make(chan struct{})
	c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
		<-arrive
		return rec(r, body)
	}).client(worklog.WithBuffer(10))
	_ = c.Info(t.Context(), "on its way") // what comes next waits
	inner, list := map[string]any{"a": "then"}, []any{"then"}
	mine := worklog.Metadata{"inner": inner, "list": list, "a": "then"}
	if err := c.Log(t.Context(), worklog.Draft{Title: "mine", Metadata: mine}); err != nil {
		t.Fatal(err)
	}
	s := c.Start(t.Context(), worklog.Draft{Title: "step", Metadata: mine})
	s.Set("a", "now")
	mine["a"], inner["a"], list[0] = "now", "now", "now"
	close(arrive)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range got[1:] {
		if text, _ := d.Metadata.AppendJSON(nil); string(text) != `{"a":"then","inner":{"a":"then"},"list":["then"]}` {
			t.Errorf("%s arrived with %s", d.Title, text)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d drafts arrived", len(got))
	}
}

func TestTheHelpersSayWhatTheyAreCalled(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	c := recorder(&got).client(worklog.WithSource("agent"))
	ctx := t.Context()
	if err := errors.Join(c.Info(ctx, "a"), c.Success(ctx, "b"), c.Warning(ctx, "c"), c.Error(ctx, "d", errors.New("why")), c.Error(ctx, "e", nil)); err != nil {
		t.Fatal(err)
	}
	s := ""
	for _, d := range got {
		s += fmt.Sprint(d.Title, d.Status, d.Type, d.Details, d.Source, " ")
	}
	if want := "ainfoagent bsuccessagent cwarningagent derrorerrorwhyagent eerrorerroragent "; s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
