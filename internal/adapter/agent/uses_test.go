package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// stored finds entries in a map, and counts how often it was asked.
func stored(all map[string]worklog.Entry, asked *int) Find {
	return func(keys []string) (map[string]worklog.Entry, error) {
		*asked++
		found := map[string]worklog.Entry{}
		for _, key := range keys {
			if e, ok := all[key]; ok {
				found[key] = e
			}
		}
		return found, nil
	}
}

func TestTheLastUseOfAnIdIsFoundInAFewLooks(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 100, 1000, 4095, 4096, 70_001} {
		all := map[string]worklog.Entry{}
		for i := 1; i <= n; i++ {
			all[Nth("s/call_0", i)] = worklog.Entry{Title: fmt.Sprint(i)}
		}
		asked := 0
		u, err := LoadUses("s/call_0", 5, stored(all, &asked))
		if err != nil || u.n != n || asked > 25 || n > 16 && asked == 1 {
			t.Errorf("%d uses: found %d after %d looks, %v", n, u.n, asked, err)
		}
		for i := max(1, n-5); i <= n; i++ {
			if u.newest[i].Title != fmt.Sprint(i) {
				t.Errorf("%d uses: the one before the end by %d is missing", n, n-i)
			}
		}
	}
}

func TestTimeTellsTheUsesOfOneIdApart(t *testing.T) {
	t.Parallel()
	at := func(seconds float64) time.Time { return now().Add(time.Duration(seconds * float64(time.Second))) }
	done := worklog.Entry{Title: "Bash: a", Status: worklog.StatusSuccess, StartedAt: at(0), EndedAt: at(10)}
	runs := worklog.Entry{Title: "Bash: b", Status: worklog.StatusWorking, StartedAt: at(11)}
	guess := worklog.Entry{Title: "Bash: b", Status: worklog.StatusWarning, StartedAt: at(11), EndedAt: at(12), Metadata: worklog.Metadata{NoResult: true}}
	other := done
	other.Metadata = worklog.Metadata{EventID: "e1"}
	d := worklog.Draft{Title: "Bash: b", Status: worklog.StatusSuccess, Metadata: worklog.Metadata{EventID: "e2"}}
	begun := func(u *Uses, d *worklog.Draft, at time.Time) { d.Status = worklog.StatusWorking; u.Begun(d, at) }
	for name, c := range map[string]struct {
		entries []worklog.Entry
		take    func(*Uses, *worklog.Draft, time.Time)
		at      time.Time
		key     string
	}{
		"the first begins":                          {nil, begun, at(0), "k"},
		"one begins after an end":                   {[]worklog.Entry{done}, begun, at(10.5), "k.2"},
		"one is told late to have begun":            {[]worklog.Entry{done}, begun, at(5), "k"},
		"a beginning is told twice":                 {[]worklog.Entry{done, runs}, begun, at(11), "k.2"},
		"one begins though nothing ended the last":  {[]worklog.Entry{done, runs}, begun, at(60), "k.3"},
		"what runs ends":                            {[]worklog.Entry{done, runs}, (*Uses).Ended, at(11.5), "k.2"},
		"a concluded end yields":                    {[]worklog.Entry{done, guess}, (*Uses).Ended, at(60), "k.2"},
		"an end is told by another door":            {[]worklog.Entry{done, runs}, (*Uses).Told, at(10.3), "k"},
		"the end of what runs is told":              {[]worklog.Entry{done, runs}, (*Uses).Told, at(13), "k.2"},
		"an end before what runs has begun":         {[]worklog.Entry{done, runs}, (*Uses).Ended, at(10.1), "k"},
		"an end of which nobody knows":              {[]worklog.Entry{done}, (*Uses).Ended, at(20), "k.2"},
		"another record of the same exporter":       {[]worklog.Entry{other}, (*Uses).Told, at(10), "k.2"},
		"a record of the time before all that runs": {[]worklog.Entry{runs}, (*Uses).Told, at(5), "k.2"},
	} {
		all := map[string]worklog.Entry{}
		for i, e := range c.entries {
			all[Nth("k", i+1)] = e
		}
		asked := 0
		u, err := LoadUses("k", 5, stored(all, &asked))
		if err != nil {
			t.Fatal(err)
		}
		draft := d
		if c.take(u, &draft, c.at); draft.Key != c.key {
			t.Errorf("%s: %s, want %s", name, draft.Key, c.key)
		}
	}
}

func TestRecordsOfOneRequestAreNamedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	asked := 0
	all := map[string]worklog.Entry{}
	for range 2 { // the second time everything is known
		u, err := LoadUses("k", 10, stored(all, &asked))
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for i := range 3 {
			end := now().Add(time.Duration(i) * 100 * time.Millisecond)
			d := worklog.Draft{Status: worklog.StatusSuccess, EndedAt: &end, Metadata: worklog.Metadata{EventID: fmt.Sprint(i)}}
			u.Told(&d, end)
			all[d.Key] = worklog.Entry{Status: d.Status, EndedAt: end, Metadata: d.Metadata}
			keys = append(keys, d.Key)
		}
		if !slices.Equal(keys, []string{"k", "k.2", "k.3"}) {
			t.Errorf("%v", keys)
		}
	}
}

func TestAnIdThatOnlyCountsIsUniqueToItsAgentAtBest(t *testing.T) {
	t.Parallel()
	for id, key := range map[string]string{
		"call_0": "s/from/a1/call_0", "functions.dig:3": "s/from/a1/functions.dig:3", "": "s/from/a1/call", "toolu_01922Am8eRLCqP7gtghCprXU": "s/toolu_01922Am8eRLCqP7gtghCprXU",
		"D681PevKs": "s/D681PevKs", "PevKsabc12": "s/PevKsabc12", "call_P09kjRKHTTJA02oB9HIe4u5t": "s/call_P09kjRKHTTJA02oB9HIe4u5t", "f7633853-1": "s/f7633853-1", "12345": "s/12345", "toolu_1": "s/toolu_1", "12": "s/from/a1/12",
	} {
		if got := CallKey("s", "a1", id); got != key {
			t.Errorf("%q: %s, want %s", id, got, key)
		}
	}
	if got := CallKey("s", "", "call_0"); got != "s/call_0" {
		t.Error(got)
	}
}
