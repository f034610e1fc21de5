package worklog_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// ended is the details of a step that has written output and ends with err, as the server keeps them.
func ended(t *testing.T, output string, err error) string {
	t.Helper()
	var got []worklog.Draft
	s := recorder(&got).client().Start(t.Context(), worklog.Draft{Title: "x"})
	for rest := output; rest != ""; {
		n := min(len(rest), 10_001)
		if _, err := s.Write([]byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := s.End(t.Context(), err); err != nil {
		t.Fatal(err)
	}
	d := got[len(got)-1]
	d.Normalize()
	return d.Details
}

func TestAStepSaysHowMuchOfItsOutputIsMissing(t *testing.T) {
	t.Parallel()
	const most = worklog.MaxDetailsBytes
	mark := regexp.MustCompile(`\n\[(\d+) more bytes\]`)
	for name, output := range map[string]string{
		"one byte too many": strings.Repeat("x", most+1), "much": strings.Repeat("é", most), "full": strings.Repeat("x", most),
		"no text": strings.Repeat("\x00\xffa", most/4),
	} {
		for _, reason := range []string{"", "exit status 1", strings.Repeat("y", most/2), strings.Repeat("y", most-10), strings.Repeat("y", 2*most)} {
			var err error
			if reason != "" {
				err = errors.New(reason)
			}
			got := ended(t, output, err)
			what := fmt.Sprintf("%s, %d bytes of reason", name, len(reason))
			if name == "full" && reason == "" {
				if got != output {
					t.Errorf("%s: %d bytes ending %q", what, len(got), got[len(got)-40:])
				}
				continue
			}
			at := mark.FindStringSubmatchIndex(got)
			if at == nil || len(got) > most || !strings.HasSuffix(got[at[1]:], tail(reason)) {
				t.Errorf("%s: %d bytes ending %q", what, len(got), got[max(0, len(got)-60):])
				continue
			}
			kept := len(got[:at[0]])
			if left, _ := strconv.Atoi(got[at[2]:at[3]]); name != "no text" && len(reason) < most-100 && kept+left != len(output) {
				t.Errorf("%s: %d bytes kept and %d more of %d", what, kept, left, len(output))
			}
		}
	}
}

// tail is what the details end with if the reason finds room at all.
func tail(reason string) string {
	if len(reason) >= worklog.MaxDetailsBytes-100 {
		return ""
	}
	return reason
}

func TestAReasonAfterCutOutputSaysOfBothWhatIsMissing(t *testing.T) {
	t.Parallel()
	got := ended(t, "output", errors.New(strings.Repeat("y", 2*worklog.MaxDetailsBytes)))
	if !strings.HasPrefix(got, "yyy") || !strings.Contains(got, "\n[cut here: 524288 bytes in all]") || !strings.HasSuffix(got, "\n[6 more bytes]") || len(got) > worklog.MaxDetailsBytes {
		t.Errorf("%d bytes ending %q", len(got), got[len(got)-80:])
	}
}

func TestDetailsThatAreNoTextAreCutOnce(t *testing.T) {
	t.Parallel()
	var got []worklog.Draft
	binary := strings.Repeat("\x00a", worklog.MaxDetailsBytes/2)
	if err := recorder(&got).client().Log(t.Context(), worklog.Draft{Title: "x", Details: binary}); err != nil {
		t.Fatal(err)
	}
	arrived := got[0].Details
	if got[0].Normalize(); got[0].Details != arrived || !strings.HasSuffix(arrived, " bytes in all]") {
		t.Errorf("%d bytes became %d, ending %q", len(arrived), len(got[0].Details), arrived[len(arrived)-40:])
	}
}
