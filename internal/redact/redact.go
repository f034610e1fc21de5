// Package redact replaces secrets in what agents write, before it is stored or shown to anybody: keys and tokens of the
// usual shapes, private keys, passwords in addresses, and values under names that say what they are.
//
// Decisions. A secret becomes a mark that names its kind, "[redacted: github token]", and nothing that was read from it.
// Text is searched as a terminal would show it, so that a colour code in the middle of a key does not hide it, and cut
// where it was written, so that colours survive. One pass by hand in place of patterns: every byte is looked at a bounded
// number of times whatever the text. Redacting twice changes nothing.
//
// What is not a secret must stay readable: hashes, UUIDs, images in base64, public keys, certificates, placeholders such
// as $TOKEN, and code such as token = next(). Where both readings are likely, in program text, the text stays.
//
// Names that identify (keys of entries and conversations, names of facts) get a mark with a digest of the secret, so that
// the same name stays the same and different ones stay different. Someone who can read the mark can test guesses with it:
// the keys that this is for can not be guessed.
package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

// Mark begins every mark.
const Mark = "[redacted: "

// digestDigits is how much of a digest distinguishes names, in hex digits.
const digestDigits = 12

// Redactor finds secrets. It is immutable and safe for concurrent use.
type Redactor struct {
	shapes [128][]shape   // by first byte
	second [128][2]uint64 // the second bytes of those shapes, as a set
	class  [256]class
}

// class says what a byte may mean, for the one pass over every text.
type class uint8

const (
	inWord      class = 1 << iota // part of a word
	separates                     // between a name and its value
	maybeUnseen                   // the first byte of what may be left out
	announces                     // a short word that begins with it may announce a secret
	continues                     // a short word before it may be the first part of a secret, or a secret that was cut
	opens                         // a mark may begin with it
)

// New returns a redactor that knows every kind of secret.
func New() *Redactor {
	r := &Redactor{}
	for _, s := range shapes() {
		r.shapes[s.prefix[0]] = append(r.shapes[s.prefix[0]], s)
		r.mayBegin(s.prefix)
	}
	r.mayBegin(jwtPrefix)
	for i := range r.class {
		r.class[i] = classOf(byte(i))
	}
	return r
}

func classOf(c byte) class {
	switch {
	case c == '-', c|0x20 == 'b':
		return inWord | announces
	case isWord(c):
		return inWord
	case c == '=', c == ':':
		return separates
	case c == '\n', c == '.':
		return continues
	case c == Mark[0]:
		return opens
	case c >= 0x7f:
		return maybeUnseen | continues
	case c < ' ' && c != '\t' && c != '\r':
		return maybeUnseen
	}
	return 0
}

func (r *Redactor) mayBegin(prefix string) {
	r.second[prefix[0]][prefix[1]>>6&1] |= 1 << (prefix[1] & 63)
}

// Text returns s without its secrets, and how many there were.
func (r *Redactor) Text(s string) (string, int) { return r.replace(s, false) }

// Name is [Redactor.Text] for a name that identifies something.
func (r *Redactor) Name(s string) string {
	out, _ := r.name(s)
	return out
}

func (r *Redactor) name(s string) (string, int) {
	out, n := r.replace(s, true)
	if n > 0 && utf8.RuneCountInString(out) > worklog.MaxKeyChars {
		out = Mark + "name " + digest(s) + "]"
	}
	return out, n
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:digestDigits]
}

// Draft removes the secrets from every field of d, which Validate has accepted, except its details, and returns how many
// there were. It changes no metadata in place.
func (r *Redactor) Draft(d *worklog.Draft) int {
	n := 0
	for _, f := range [...]*string{&d.Title, &d.Tool, &d.ConversationTitle, &d.Source} {
		n += r.into(f, false)
	}
	for _, f := range [...]*string{&d.Key, &d.Parent, &d.Conversation} {
		n += r.into(f, true)
	}
	if len(d.Metadata) > 0 {
		m, found := r.object(map[string]any(d.Metadata), "")
		if found > 0 {
			d.Metadata = m
		}
		n += found
	}
	return n
}

func (r *Redactor) into(s *string, identifies bool) (n int) {
	if *s == "" {
		return 0
	}
	if identifies {
		*s, n = r.name(*s)
	} else {
		*s, n = r.replace(*s, false)
	}
	return n
}

// object returns m without secrets; m itself when there are none. Label names what m stands under, if that makes every
// text below it a secret.
func (r *Redactor) object(m map[string]any, label string) (map[string]any, int) {
	total := 0
	out := m
	for k, x := range m {
		v, n := r.value(x, fieldLabel(k, label), label == "")
		key, renamed := r.name(k)
		if n+renamed == 0 {
			continue
		}
		if total == 0 {
			out = maps.Clone(m)
		}
		total += n + renamed
		delete(out, k)
		out[key] = v
	}
	return out, total
}

// fieldLabel is the kind of secret that a field holds: what its own name says, else what it stands under.
func fieldLabel(name, under string) string {
	if label := secretField(name); label != "" {
		return label
	}
	return under
}

// value returns v without secrets. Label is the kind of secret that v is, if it is one. Numbers are secrets only directly
// under such a name: {"token": {"input": 312}} is a count.
func (r *Redactor) value(v any, label string, numbers bool) (any, int) {
	switch v := v.(type) {
	case nil, bool:
		return v, 0
	case string:
		return r.textValue(v, label)
	case map[string]any:
		return boxed(r.object(v, label))
	case worklog.Metadata:
		return boxed(r.object(v, label))
	case []any:
		return r.list(v, label)
	}
	if label != "" && numbers {
		return mark(label), 1
	}
	return v, 0
}

func (r *Redactor) textValue(v, label string) (any, int) {
	s, n := r.replace(v, false)
	if label == "" || isPlaceholder(s, true) {
		return s, n
	}
	return mark(label), 1
}

func (r *Redactor) list(list []any, label string) (any, int) {
	total := 0
	out := list
	for i, x := range list {
		v, n := r.value(x, label, false)
		if n == 0 {
			continue
		}
		if total == 0 {
			out = slices.Clone(list)
		}
		total += n
		out[i] = v
	}
	return out, total
}

func boxed(m map[string]any, n int) (any, int) { return m, n }

// mark stands for a secret.
func mark(label string) string { return Mark + label + "]" }

// markLength returns the length of the mark that s begins with, or 0.
func markLength(s string) int {
	const longest = len(Mark) + 30 + 1 + digestDigits + 1
	if !strings.HasPrefix(s, Mark) {
		return 0
	}
	end := strings.IndexByte(s[:min(len(s), longest)], ']')
	if end < len(Mark) {
		return 0
	}
	label := s[len(Mark):end]
	if at := strings.LastIndexByte(label, ' '); len(label)-at-1 == digestDigits && lowHex.run(label, at+1, digestDigits) == digestDigits {
		label = label[:at]
	}
	if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz. ") != "" {
		return 0
	}
	return end + 1
}

// Marks counts the marks in what an entry shows.
func Marks(e *worklog.Entry) int {
	n := marksIn(map[string]any(e.Metadata))
	for _, s := range [...]string{e.Title, e.Tool, e.Details, e.Source, e.Key, e.Parent} {
		n += strings.Count(s, Mark)
	}
	return n
}

func marksIn(v any) (n int) {
	switch v := v.(type) {
	case string:
		n = strings.Count(v, Mark)
	case []any:
		for _, x := range v {
			n += marksIn(x)
		}
	case map[string]any:
		for k, x := range v {
			n += strings.Count(k, Mark) + marksIn(x)
		}
	}
	return n
}
