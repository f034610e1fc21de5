package demo

import (
	"bufio"
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// sceneFiles holds the demo's scenes: one NDJSON file each, its first line the scene, every other line a step.
//
//go:embed scenes/*.ndjson
var sceneFiles embed.FS

// scene is one piece of work of an agent.
type scene struct {
	name   string
	Title  string `json:"title"`  // of its conversation; empty: its entries are unfiled
	Source string `json:"source"` // the agent
	// Track is the agent's place on the stage: the scenes of a track follow each other, tracks play at the same time.
	Track int `json:"track"`
	// Every lets a scene play on every so manyth turn of its track only. 0: on each.
	Every int `json:"every"`
	// HoursAgo makes it a scene of the past, played once for each value. Such a scene is not played live.
	HoursAgo []float64 `json:"hours_ago"`
	steps    []step
}

// step is one entry of a scene, or several.
type step struct {
	After      float64          `json:"after"` // seconds after the step before it has ended
	ID         string           `json:"id"`
	Parent     string           `json:"parent"` // the ID of an earlier step
	Title      string           `json:"title"`
	Type       worklog.Type     `json:"type"`
	Tool       string           `json:"tool"`
	Status     worklog.Status   `json:"status"`
	Details    string           `json:"details"`
	Metadata   worklog.Metadata `json:"metadata"`
	Takes      float64          `json:"takes"`      // seconds it is running, then it gets Status (default success) and Details
	Background bool             `json:"background"` // the next step does not wait for its end
	Progress   []progress       `json:"progress"`
	Times      int              `json:"times"` // written so many times in quick succession, word for word
	Burst      int              `json:"burst"` // so many entries at once, {{i}} counts them
}

// progress is what a running step shows in between.
type progress struct {
	At      float64 `json:"at"` // seconds since its start
	Details string  `json:"details"`
}

// beat is one draft of a scene and its moment.
type beat struct {
	at    time.Duration // since the scene began
	start time.Duration // when its step began
	draft worklog.Draft
	ends  bool // the draft completes a step that was running
	lossy bool // may be suppressed by the limit: what a burst is there to show
}

// loadScenes reads all scenes, by name.
func loadScenes(files fs.FS) ([]scene, error) {
	names, err := fs.Glob(files, "scenes/*.ndjson")
	if err != nil {
		return nil, err
	}
	scenes := make([]scene, 0, len(names))
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		s, err := parseScene(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.name = strings.TrimSuffix(path.Base(name), ".ndjson")
		scenes = append(scenes, s)
	}
	return scenes, nil
}

func parseScene(b []byte) (scene, error) {
	var s scene
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		var st step
		var into any = &st
		if n == 1 {
			into = &s
		}
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into); err != nil {
			return scene{}, fmt.Errorf("line %d: %w", n, err)
		}
		if n > 1 {
			s.steps = append(s.steps, st)
		}
	}
	return s, lines.Err()
}

// layout is a scene on its way to beats. run is the beginning of every key: the same run writes the same entries.
type layout struct {
	scene        scene
	run          string
	conversation string
	rng          *rand.Rand
	words        *strings.Replacer
	keys         map[string]string // step ID -> entry key
	beats        []beat
}

// beats lays the scene out in time. The same seed gives the same beats.
func (s scene) beats(run, conversation string, rng *rand.Rand) []beat {
	p := layout{
		scene: s, run: run, conversation: conversation, rng: rng, keys: make(map[string]string),
		words: strings.NewReplacer(
			"{{run}}", strconv.Itoa(4000+rng.IntN(5000)), "{{pr}}", strconv.Itoa(100+rng.IntN(900)), "{{ms}}", strconv.Itoa(100+rng.IntN(900)),
			"{{port}}", strconv.Itoa(30000+rng.IntN(9999)), "{{commit}}", fmt.Sprintf("%07x", rng.Uint32()>>4),
		),
	}
	at := time.Duration(0)
	for i, st := range s.steps {
		at += p.jitter(st.After)
		at = p.add(st, i, at)
	}
	slices.SortStableFunc(p.beats, func(a, b beat) int { return cmp.Compare(a.at, b.at) })
	return p.beats
}

// jitter returns about so many seconds: nobody works like a clock.
func (p *layout) jitter(seconds float64) time.Duration {
	return time.Duration(seconds * (0.8 + 0.4*p.rng.Float64()) * float64(time.Second))
}

// add lays out one step that begins at the given time, and returns when the next one may.
func (p *layout) add(st step, i int, at time.Duration) time.Duration {
	const (
		repeatGap = 120 * time.Millisecond // within the second in which repeats are merged
		burstGap  = 15 * time.Millisecond
	)
	switch {
	case st.Takes > 0:
		return p.addRunning(st, i, at)
	case st.Times > 0 || st.Burst > 0:
		gap := burstGap
		if st.Times > 0 {
			gap = repeatGap
		}
		for n := range max(st.Times, st.Burst) {
			d := p.draft(st, "")
			d.Title = strings.ReplaceAll(d.Title, "{{i}}", strconv.Itoa(n+1))
			p.beats = append(p.beats, beat{at: at, start: at, draft: d, lossy: st.Burst > 0})
			at += gap
		}
		return at
	default:
		p.beats = append(p.beats, beat{at: at, start: at, draft: p.draft(st, p.key(st, i))})
		return at
	}
}

// addRunning lays out a step that starts, shows its progress, and completes in place.
func (p *layout) addRunning(st step, i int, at time.Duration) time.Duration {
	key := p.key(st, i)
	running := p.draft(st, key)
	running.Status, running.Details, running.Metadata = worklog.StatusWorking, "", nil
	p.beats = append(p.beats, beat{at: at, start: at, draft: running})
	for _, pr := range st.Progress {
		d := running
		d.Details = p.words.Replace(pr.Details)
		p.beats = append(p.beats, beat{at: at + seconds(pr.At), start: at, draft: d})
	}
	done := p.draft(st, key)
	if done.Status == "" {
		done.Status = worklog.StatusSuccess
	}
	end := at + seconds(st.Takes)
	p.beats = append(p.beats, beat{at: end, start: at, draft: done, ends: true})
	if st.Background {
		return at
	}
	return end
}

func (p *layout) key(st step, i int) string {
	key := p.run + "/" + strconv.Itoa(i)
	if st.ID != "" {
		p.keys[st.ID] = key
	}
	return key
}

func (p *layout) draft(st step, key string) worklog.Draft {
	d := worklog.Draft{
		Title: p.words.Replace(st.Title), Type: st.Type, Status: st.Status, Tool: st.Tool, Details: p.words.Replace(st.Details),
		Key: key, Parent: p.keys[st.Parent], Source: p.scene.Source, Metadata: p.metadata(st.Metadata),
	}
	if p.scene.Title != "" {
		d.Conversation, d.ConversationTitle = p.conversation, p.scene.Title
	}
	return d
}

func (p *layout) metadata(m worklog.Metadata) worklog.Metadata {
	out := make(worklog.Metadata, len(m))
	for k, v := range m {
		if s, ok := v.(string); ok {
			v = p.words.Replace(s)
		}
		out[k] = v
	}
	return out
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
