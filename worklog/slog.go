package worklog

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// HandlerOptions say how a [slog.Handler] turns records into drafts.
type HandlerOptions struct {
	Level        slog.Leveler // the lowest level to log; nil: slog.LevelInfo
	Conversation string       // the key of the conversation that the drafts belong to
	Source       string
	Tool         string
}

// NewHandler returns a handler that logs each record as an entry: the message is the title, the attributes are the
// metadata, groups are nested, and the level is the status: info, from slog.LevelWarn on warning, from slog.LevelError
// on error. A record without words is called by its level. Attributes that are more than the server takes are cut, or left
// out, which the attribute "!CUT" says. Use a client with [WithBuffer], else every record waits for the server.
func NewHandler(c *Client, o HandlerOptions) slog.Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return &handler{c: c, o: o}
}

// handler is immutable. Scopes holds one element per open group, the first being no group.
type handler struct {
	c      *Client
	o      HandlerOptions
	scopes []scope
}

// scope is a group and the attributes that were added to it.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.o.Level.Level()
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.c, h.o, append(slices.Clip(h.open()), scope{group: name})}
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	scopes := slices.Clone(h.open())
	last := &scopes[len(scopes)-1]
	last.attrs = append(slices.Clip(last.attrs), attrs...)
	return &handler{h.c, h.o, scopes}
}

// open returns the scopes, at least the one that is no group.
func (h *handler) open() []scope {
	if len(h.scopes) == 0 {
		return []scope{{}}
	}
	return h.scopes
}

// Handle implements [slog.Handler]. The error is that of [Client.Log].
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	return h.c.Log(ctx, h.draft(r))
}

func (h *handler) draft(r slog.Record) Draft {
	message := strings.TrimSpace(cleanText(r.Message))
	d := Draft{Title: Cut(message, 4*MaxTitleChars), Conversation: h.o.Conversation, Source: h.o.Source, Tool: h.o.Tool}
	if chars := []rune(d.Title); len(chars) > MaxTitleChars {
		d.Title, d.Details = string(chars[:MaxTitleChars]), message
	}
	switch {
	case r.Level >= slog.LevelError:
		d.Type, d.Status = TypeError, StatusError
	case r.Level >= slog.LevelWarn:
		d.Status = StatusWarning
	default:
		d.Status = StatusInfo
	}
	if d.Title == "" {
		d.Title = r.Level.String()
	}
	if !r.Time.IsZero() {
		d.LoggedAt = &r.Time
	}
	d.Metadata = fit(h.metadata(r))
	return d
}

// metadata nests the attributes of r and of the scopes, from the innermost group outwards. Empty groups vanish.
func (h *handler) metadata(r slog.Record) Metadata {
	var inner Metadata
	r.Attrs(func(a slog.Attr) bool {
		inner = addAttr(inner, a, 0)
		return true
	})
	scopes := h.open()
	for i := len(scopes) - 1; i >= 0; i-- {
		var m Metadata
		for _, a := range scopes[i].attrs {
			m = addAttr(m, a, 0)
		}
		for k, v := range inner {
			m = put(m, k, v)
		}
		inner = m
		if g := scopes[i].group; g != "" && len(m) > 0 {
			inner = Metadata{g: map[string]any(m)}
		}
	}
	return inner
}

// addAttr adds a to m and returns m, which is made when it is nil.
func addAttr(m Metadata, a slog.Attr, depth int) Metadata {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Any() == nil { // the zero Attr
			return m
		}
		return put(m, a.Key, plainValue(v))
	}
	if depth > MaxMetadataDepth { // it may go on for ever; fit says that something is missing
		return put(m, a.Key, "…")
	}
	var group Metadata
	for _, x := range v.Group() {
		group = addAttr(group, x, depth+1)
	}
	if a.Key == "" { // an anonymous group belongs to its surroundings
		for k, x := range group {
			m = put(m, k, x)
		}
		return m
	}
	if len(group) == 0 {
		return m
	}
	return put(m, a.Key, map[string]any(group))
}

func put(m Metadata, key string, v any) Metadata {
	if m == nil {
		m = Metadata{}
	}
	m[key] = v
	return m
}

// plainValue returns v as something that has a JSON form, whatever it is.
func plainValue(v slog.Value) any {
	switch v.Kind() {
	case slog.KindString:
		return v.String()
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return v.Uint64()
	case slog.KindBool:
		return v.Bool()
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	}
	return anyValue(v.Any())
}

// anyValue runs methods of strangers, so it survives their panics.
func anyValue(x any) (plain any) {
	defer func() {
		if r := recover(); r != nil {
			plain = fmt.Sprintf("!PANIC: %.200v", r)
		}
	}()
	switch x := x.(type) {
	case nil:
		return nil
	case error:
		return x.Error()
	case json.Marshaler, encoding.TextMarshaler:
	case fmt.Stringer:
		return x.String()
	}
	raw, err := json.Marshal(x)
	if err != nil { // x itself may contain itself, which fmt does not survive
		return "!ERROR: " + err.Error()
	}
	return json.RawMessage(raw)
}
