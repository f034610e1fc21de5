package worklog_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

func TestATimeoutOfNothingIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -time.Second} {
		c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			return stored(r, body)
		}).client(worklog.WithTimeout(d))
		if err := c.Info(t.Context(), "x"); err != nil {
			t.Errorf("with a timeout of %v: %v", d, err)
		}
	}
}

func TestAServerThatAsksForAgesIsAskedAgainWithinAnHour(t *testing.T) {
	t.Parallel()
	for _, seconds := range []string{"3153600000", "9223372036", "9223372036854775807", "-9223372036854775000", "-5"} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
				if calls++; calls == 1 {
					return answer(503, `{"code":"unavailable","retry_after":`+seconds+`}`)
				}
				return stored(r, body)
			}).client(worklog.WithBuffer(9))
			_ = c.Info(t.Context(), "x")
			time.Sleep(61 * time.Minute)
			if s := c.Buffered(); s.Stored != 1 {
				t.Errorf("%s: %+v", seconds, s)
			}
			_ = c.Close(t.Context())
		})
	}
}

func TestAnEndThatWasNotTakenCanBeToldAgain(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	rec := recorder(&got)
	broken := false
	c := wire(func(r *http.Request, body []byte) (*http.Response, error) {
		if broken {
			return answer(401, `{"code":"unauthorized"}`)
		}
		return rec(r, body)
	}).client()
	s := c.Start(t.Context(), worklog.Draft{Title: "x"})
	broken = true
	if s.Done(t.Context()) == nil {
		t.Error("the lost end is not told")
	}
	broken = false
	if err := errors.Join(s.Fail(t.Context(), errors.New("why")), s.Done(t.Context())); err != nil {
		t.Error(err)
	}
	if len(got) != 2 || got[1].Status != worklog.StatusError || got[1].Details != "why" {
		t.Errorf("%+v", got)
	}
}

type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { panic("no") }

func TestNoCallPanicsForWhatItIsGiven(t *testing.T) {
	t.Parallel()
	c := wire(stored).client()
	loop := worklog.Metadata{}
	loop["a"], loop["b"] = map[string]any(loop), map[string]any(loop)
	for _, m := range []worklog.Metadata{{"a": angry{}}, {"a": func() {}}, loop} {
		_, err := c.PatchEntry(t.Context(), "id", worklog.EntryPatch{Metadata: m})
		if worklog.CodeOf(err) != worklog.CodeInvalid {
			t.Errorf("a patch with %.20T: %v", m["a"], err)
		}
		if err := c.Log(t.Context(), worklog.Draft{Title: "x", Metadata: m}); worklog.CodeOf(err) != worklog.CodeInvalid {
			t.Errorf("a draft with %.20T: %v", m["a"], err)
		}
	}
}

func TestADraftThatIsTooLongIsToldWhichPartOfItIs(t *testing.T) {
	t.Parallel()
	c := wire(func(*http.Request, []byte) (*http.Response, error) { return answer(413, `{"code":"too_large"}`) }).client()
	at := time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)
	for field, d := range map[string]worklog.Draft{
		"title": {Title: strings.Repeat("x", 3<<20)}, "key": {Title: "x", Key: strings.Repeat("k", 3<<20)}, "logged_at": {Title: "x", LoggedAt: &at},
	} {
		err, _ := c.Log(t.Context(), d).(*worklog.Error)
		if err == nil || err.Code != worklog.CodeInvalid || len(err.Fields) != 1 || err.Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestCutKeepsWhatIsNoText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("\x80", 50), strings.Repeat("é", 25), "a" + strings.Repeat("😀", 20), strings.Repeat("\xf0", 50)} {
		for n := range 20 {
			got := worklog.Cut(s, n)
			if len(got) > n || len(got) < n-utf8.UTFMax+1 || utf8.ValidString(s) && !utf8.ValidString(got) || !strings.HasPrefix(s, got) {
				t.Errorf("Cut(%.10q, %d) = %q", s, n, got)
			}
		}
	}
}

func TestAPatchSaysWhatItSaid(t *testing.T) {
	t.Parallel()
	var body string
	c := wire(func(_ *http.Request, b []byte) (*http.Response, error) {
		body = string(b)
		return answer(200, `{"id":"id"}`)
	}).client()
	if _, err := c.PatchEntry(t.Context(), "id", worklog.EntryPatch{Metadata: worklog.Metadata{"a": json.Number("1.50")}}); err != nil || !strings.Contains(body, `"metadata":{"a":1.50}`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestAPartOfAStepBelongsToTheUserOfTheStep(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	s := recorder(&got).client().Start(t.Context(), worklog.Draft{Title: "x", Conversation: "c", User: "ada@example.org"})
	part := s.Start(t.Context(), worklog.Draft{Title: "part"})
	if err := errors.Join(s.Err(), part.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, d := range got {
		if d.User != "ada@example.org" || d.Conversation != "c" {
			t.Errorf("%s is of %q, in %q", d.Title, d.User, d.Conversation)
		}
	}
}
