// Package replay posts recorded hook events of a coding agent again, at the agent's pace or faster: a real session for
// tests to watch. It knows nothing of what they mean: that is the business of the door that takes them.
package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// thinking is the pause before an event whose time nobody recorded.
	thinking = 2 * time.Second
	// maxLine bounds one recorded event: a tool's whole output.
	maxLine = 16 << 20
	// tryTimeout bounds one try, and tryPause is before the next one.
	tryTimeout = 10 * time.Second
	tryPause   = 50 * time.Millisecond
)

// Beat is one event and its moment since the session began.
type Beat struct {
	At   time.Duration
	Body json.RawMessage
}

// Read gives each recorded event, one a line, its moment: a tool ends as long after its start as it took.
func Read(r io.Reader) ([]Beat, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var beats []Beat
	at := time.Duration(0)
	started := make(map[string]time.Duration)
	for n := 1; lines.Scan(); n++ {
		var e struct {
			ToolUseID string `json:"tool_use_id"`
			Duration  int64  `json:"duration_ms"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if begun, known := started[e.ToolUseID]; known && e.ToolUseID != "" {
			at = max(at, begun+time.Duration(e.Duration)*time.Millisecond)
		} else {
			if len(beats) > 0 {
				at += thinking
			}
			started[e.ToolUseID] = at
		}
		beats = append(beats, Beat{At: at, Body: slices.Clone(lines.Bytes())})
	}
	return beats, lines.Err()
}

// Agent is what posts the events.
type Agent struct {
	URL   string // of the server
	Token string
	// Refused is called with each answer that was no 2xx, before the event is posted again; nil: nobody is told.
	Refused func(status int)
}

// Play posts beats, speed times as fast as they were recorded: one after the other, as an agent does, and each until it
// is taken.
func (a *Agent) Play(ctx context.Context, beats []Beat, speed float64) error {
	began := time.Now()
	for _, b := range beats {
		if err := until(ctx, began.Add(time.Duration(float64(b.At)/speed))); err != nil {
			return err
		}
		if err := a.Post(ctx, b.Body); err != nil {
			return err
		}
	}
	return nil
}

// Post posts an event until it is taken. An answer that another try can not mend is an error.
func (a *Agent) Post(ctx context.Context, body []byte) error {
	for {
		status, err := a.try(ctx, body)
		switch {
		case err == nil && status/100 == 2:
			return nil
		case err == nil && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests:
			return fmt.Errorf("hook answered with %d", status)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if a.Refused != nil {
			a.Refused(status)
		}
		if err := until(ctx, time.Now().Add(tryPause)); err != nil {
			return err
		}
	}
}

// try returns the status of one answer, 0 without one. A body of a 2xx, which agents would show as an error, is one.
func (a *Agent) try(ctx context.Context, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/api/v1/hooks", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil && res.StatusCode/100 == 2 && len(said) > 0 {
		return http.StatusInternalServerError, nil
	}
	return res.StatusCode, err
}

func until(ctx context.Context, at time.Time) error {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
