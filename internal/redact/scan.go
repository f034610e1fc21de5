package redact

import (
	"cmp"
	"slices"
	"strings"

	"github.com/worklogdev/worklog/internal/ansi"
)

// Bounds that keep the pass linear: each is a part of the text that one trigger may look at again.
const (
	maxGap    = 6       // bytes between a name and its separator: quotes, a bracket, spaces
	maxValue  = 4 << 10 // of a value behind a name; the rest of a longer one stays
	minWord   = 12      // the shortest word that can be a key of a known shape
	minCutKey = 4       // of a key that somebody else has cut
	maxKey    = 2 << 10 // of a key of a known shape
	maxLook   = 32      // of a key, to see whether it is one
)

// jwtPrefix begins every JSON web token: {" in base64.
const jwtPrefix = "eyJ"

// found is a secret in a text.
type found struct {
	start, end int
	label      string
}

// scan is one pass over a text.
type scan struct {
	r    *Redactor
	t    string
	all  []found
	last span // the word before
	// bareEnd and lineEnd are where the value without quotes and the line end that were read last, and where they began:
	// what begins inside them ends there, too.
	bareEnd, lineEnd span
}

// maxPasses bounds how often a text with secrets is searched again: what a mark has replaced no longer hides what was
// joined to it.
const maxPasses = 4

// replace returns s with a mark for each secret, and how many there were. Identifying marks have a digest.
func (r *Redactor) replace(s string, identifies bool) (string, int) {
	if isShort(s) {
		return s, 0
	}
	total := 0
	for range maxPasses {
		out, n := r.once(s, identifies)
		if n == 0 {
			break
		}
		s, total = out, total+n
	}
	return s, total
}

// isShort reports whether s is too short for a secret: names of tools and facts mostly are.
func isShort(s string) bool {
	if len(s) >= minWord {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '=' || c == ':' {
			return false
		}
	}
	return true
}

func (r *Redactor) once(s string, identifies bool) (string, int) {
	v := r.show(s)
	all := r.find(v.text)
	if len(v.cuts) > 0 {
		all = r.asWritten(s, &v, all)
	}
	if len(all) == 0 {
		return s, 0
	}
	var b strings.Builder
	b.Grow(len(s) + len(all)*len(Mark))
	from := 0
	for _, f := range all {
		b.WriteString(s[from:f.start])
		label := f.label
		if identifies {
			label += " " + digest(s[f.start:f.end])
		}
		b.WriteString(mark(label))
		from = f.end
	}
	b.WriteString(s[from:])
	return b.String(), len(all)
}

// asWritten turns what was found in the shown text into parts of s, and adds what is in the payloads of control
// sequences.
func (r *Redactor) asWritten(s string, v *shown, all []found) []found {
	for i := range all {
		all[i].start, all[i].end = unfinished(s, v.written(all[i].start, false)), v.written(all[i].end, true)
	}
	for _, p := range v.payloads {
		inside := r.show(s[p.start:p.end]).text
		for _, f := range r.find(inside) {
			if p.end-p.start == len(inside) {
				f.start, f.end = f.start+p.start, f.end+p.start
			} else { // something is hidden in what is hidden already
				f.start, f.end = p.start, p.end
			}
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	end := 0
	return slices.DeleteFunc(all, func(f found) bool {
		inside := f.start < end
		end = max(end, f.end)
		return inside
	})
}

// unfinished returns where the control sequence begins that goes on right up to i and would take a mark there for its
// end, else i.
func unfinished(s string, i int) int {
	const longest = 64
	for n := i - 1; n >= 0 && i-n <= longest; n-- {
		switch c := s[n]; {
		case c == ansi.Escape:
			return n
		case c != '[' && (c < ' ' || c > '?'):
			return i
		}
	}
	return i
}

// find returns the secrets of t in order.
func (r *Redactor) find(t string) []found {
	s := scan{r: r, t: t}
	for i := 0; i < len(t); {
		c := r.class[t[i]]
		if c&inWord == 0 {
			i = s.between(i, c)
			continue
		}
		end := i + 1
		for end < len(t) && r.class[t[end]]&inWord != 0 {
			end++
		}
		next := end
		if end-i >= minWord || c&announces != 0 || end < len(t) && r.class[t[end]]&continues != 0 {
			next = s.word(i, end)
		}
		s.last = span{i, end}
		i = next
	}
	return s.all
}

// between takes the byte at i, which is in no word, and returns where to go on.
func (s *scan) between(i int, c class) int {
	if c&separates != 0 {
		return s.separator(i)
	}
	if c&opens != 0 {
		if n := markLength(s.t[i:]); n > 0 { // its words are nobody's names
			s.last = span{}
			return i + n
		}
	}
	return i + 1
}

// add notes a secret and returns where it ends.
func (s *scan) add(start, end int, label string) int {
	s.all = append(s.all, found{start, end, label})
	return end
}

// word looks for a secret that begins in the word from i to end, and returns where to go on.
func (s *scan) word(i, end int) int {
	if s.t[i] == '-' {
		if strings.HasPrefix(s.t[i:], "-----BEGIN") {
			return s.pem(i)
		}
		if next := s.flag(i, end); next > 0 {
			return next
		}
	}
	if next := s.bearer(i, end); next > 0 {
		return next
	}
	if end-i < minWord && !s.goesOn(end) {
		return end
	}
	for p := i; p < end; p++ {
		if next := s.key(p, end); next > 0 {
			return next
		}
	}
	if next := s.path(i, end); next > 0 {
		return next
	}
	return end
}

// goesOn reports whether the word that ends at i may be the beginning of something longer.
func (s *scan) goesOn(i int) bool {
	return i < len(s.t) && (s.t[i] == '.' || s.isCut(i))
}

// key returns the end of the key of a known shape that begins at p, in a word that goes on to end, and notes it, or 0.
func (s *scan) key(p, end int) int {
	c := s.t[p] & 0x7f
	if p+1 < len(s.t) && s.r.second[c][s.t[p+1]>>6&1]&(1<<(s.t[p+1]&63)) == 0 {
		return 0
	}
	for i := range s.r.shapes[c] {
		k := &s.r.shapes[c][i]
		if !strings.HasPrefix(s.t[p:], k.prefix) || k.alone && !s.begins(p) {
			continue
		}
		start := p + len(k.prefix)
		if n := k.length(s.t, start); n > 0 {
			return s.add(p, start+n, k.label)
		}
		if n := k.rest.run(s.t, start, k.min); n >= minCutKey && s.isCut(start+n) {
			return s.add(p, start+n, k.label)
		}
	}
	if c == 'e' && strings.HasPrefix(s.t[p:], jwtPrefix) && s.begins(p) {
		return s.jwt(p, end)
	}
	return 0
}

// length returns how long the rest of a key is that begins at i, or 0 if it is none.
func (k *shape) length(t string, i int) int {
	most := maxKey
	if k.exact {
		most = k.min + 1
	}
	if k.mixed && !k.isMixed(t[i:min(len(t), i+maxLook)]) {
		return 0
	}
	n := k.rest.run(t, i, most)
	for n > 0 && t[i+n-1] == '.' { // the end of a sentence
		n--
	}
	if n < k.min || k.exact && n > k.min {
		return 0
	}
	return n
}

// isMixed reports whether a part of what t begins with is long and has a digit: sk-1a2b3c4d5e, and not sk-fading-circle-2.
func (k *shape) isMixed(t string) bool {
	const long = 10
	n, digits := 0, false
	for i := range len(t) {
		c := t[i]
		switch {
		case isAlnum(c):
			n++
			if digits = digits || isDigit(c); digits && n >= long {
				return true
			}
		case !k.rest.has(c):
			return false
		default:
			n, digits = 0, false
		}
	}
	return false
}

// begins reports whether a word can begin at p: nothing before it, or an escape like \n or %3D.
func (s *scan) begins(p int) bool {
	if p == 0 || !isAlnum(s.t[p-1]) {
		return true
	}
	if p >= 2 && s.t[p-2] == '\\' {
		return true
	}
	return p >= 3 && s.t[p-3] == '%'
}

// isCut reports whether somebody has cut the text at i.
func (s *scan) isCut(i int) bool {
	return strings.HasPrefix(s.t[i:], "…") || strings.HasPrefix(s.t[i:], "\n[cut here: ")
}

// jwt returns the end of the JSON web token that begins at p, in a word that goes on to end, and notes it, or 0.
func (s *scan) jwt(p, end int) int {
	const minPart = 6
	if end-p < 2*minPart {
		return 0
	}
	parts := 1
	for parts < 5 && end < len(s.t) && s.t[end] == '.' {
		n := word.run(s.t, end+1, maxKey)
		if n < minPart && parts == 1 {
			return 0
		}
		if n == 0 { // the end of a sentence
			break
		}
		end += 1 + n
		parts++
	}
	if parts == 1 && !s.isCut(end) {
		return 0
	}
	return s.add(p, end, "json web token")
}

// bearer returns the end of the token behind "Bearer" and notes it, or 0.
func (s *scan) bearer(i, end int) int {
	if end-i != len("bearer") || !strings.EqualFold(s.t[i:end], "bearer") {
		return 0
	}
	start := s.skipSpaces(end)
	if start == end {
		return 0
	}
	stop := start
	for stop < len(s.t) && stop-start < maxValue && (isWord(s.t[stop]) || strings.IndexByte(".~+/=", s.t[stop]) >= 0) {
		stop++
	}
	for stop > start && s.t[stop-1] == '.' {
		stop--
	}
	v := s.t[start:stop]
	if long := 20; len(v) >= long || len(v) >= 8 && hasDigit(v) || len(v) >= minCutKey && s.isCut(stop) {
		return s.addKnown(start, stop, "bearer token")
	}
	return 0
}

// addKnown notes the secret from start to end by its shape, if that is known, else with the label.
func (s *scan) addKnown(start, end int, label string) int {
	if start < end {
		if next := s.key(start, start+word.run(s.t, start, maxKey)); next > 0 {
			f := &s.all[len(s.all)-1]
			f.end = max(f.end, end)
			return f.end
		}
	}
	return s.add(start, end, label)
}

func (s *scan) skipSpaces(i int) int {
	const most = 8
	for n := 0; n < most && i < len(s.t) && (s.t[i] == ' ' || s.t[i] == '\t'); n++ {
		i++
	}
	return i
}

func hasDigit(s string) bool {
	for i := range len(s) {
		if isDigit(s[i]) {
			return true
		}
	}
	return false
}

// path returns the end of a secret that its place in an address gives away, and notes it, or 0.
func (s *scan) path(i, end int) int {
	before := s.t[max(0, i-80):i]
	switch {
	case end-i >= 20 && strings.HasSuffix(before, "/enter/"):
		return s.add(i, end, "one-time link")
	case end-i >= 16 && strings.Contains(before, "hooks.slack.com/") && strings.HasSuffix(before, "/"):
		return s.add(i, end, "slack webhook")
	case end-i >= 40 && strings.Contains(before, "/api/webhooks/") && strings.HasSuffix(before, "/"):
		return s.add(i, end, "discord webhook")
	case end-i >= 34 && s.t[i] == 'A' && strings.HasSuffix(before, ":"):
		if id := strings.TrimRight(before[:len(before)-1], "0123456789"); len(before)-1-len(id) >= 8 {
			return s.add(i, end, "telegram token")
		}
	}
	return 0
}
