package redact

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode"
)

// value is what stands behind a name and its separator.
type value struct {
	start, end int
	quote      string // that it stands in: ", ', ` or \"; empty: none
	closed     bool   // the quote ends, too
	tight      bool   // nothing but the separator is between name and value
	colon      bool   // the separator is a colon
	quotedName bool   // "name": as in JSON
}

// separator looks for a secret around the separator at i, and returns where to go on.
func (s *scan) separator(i int) int {
	if s.t[i] == ':' && strings.HasPrefix(s.t[i:], "://") {
		return s.address(i)
	}
	name, gap := s.nameBefore(i)
	label := secretName(name)
	if strings.EqualFold(name, "auth") {
		label = "pair"
	}
	if label == "" {
		return i + 1
	}
	v, ok := s.valueAfter(i, gap)
	if !ok {
		return i + 1
	}
	switch label {
	case "pair":
		return s.pair(v, i)
	case "authorization":
		return s.authorization(v, i)
	case "cookie":
		return s.cookie(v, i)
	}
	if !s.believable(v, label, name) {
		return i + 1
	}
	return s.addKnown(v.start, v.end, label)
}

// nameBefore returns the word right before the separator at i, and what is between them.
func (s *scan) nameBefore(i int) (name, gap string) {
	if s.last.end == 0 || i-s.last.end > maxGap {
		return "", ""
	}
	gap = s.t[s.last.end:i]
	if strings.Trim(gap, " \t\"'`\\]?") != "" {
		return "", ""
	}
	return s.t[s.last.start:s.last.end], gap
}

// valueAfter reads what stands behind the separator at i.
func (s *scan) valueAfter(i int, gap string) (value, bool) {
	v := value{colon: s.t[i] == ':', quotedName: strings.ContainsAny(gap, "\"'")}
	at := i + 1
	if at < len(s.t) && (s.t[at] == '=' || s.t[at] == '>') { // := and =>, but no comparison
		if s.t[i] == '=' && s.t[at] == '=' {
			return v, false
		}
		at++
		v.colon = false
	}
	v.start = s.skipSpaces(at)
	v.tight = v.start == at && gap == "" && at == i+1
	if v.start >= len(s.t) {
		return v, false
	}
	switch rest := s.t[v.start:]; {
	case rest[0] == '"' || rest[0] == '\'' || rest[0] == '`':
		v.quote = rest[:1]
	case strings.HasPrefix(rest, `\"`) || strings.HasPrefix(rest, `\'`):
		v.quote = rest[:2]
	}
	v.start += len(v.quote)
	if v.quote != "" {
		v.end, v.closed = s.quoted(v.start, v.quote)
	} else {
		v.end = s.bare(v.start)
	}
	return v, v.end > v.start
}

// quoted returns where the text that begins at i behind quote ends.
func (s *scan) quoted(i int, quote string) (end int, closed bool) {
	limit := min(len(s.t), i+maxValue)
	for ; i < limit; i++ {
		switch c := s.t[i]; {
		case strings.HasPrefix(s.t[i:], quote):
			return i, true
		case c == '\n':
			return i, false
		case c == '\\' && len(quote) == 1:
			i++
		}
	}
	return min(i, limit), false
}

// bare returns where the value without quotes that begins at i ends.
func (s *scan) bare(i int) int {
	if i >= s.bareEnd.start && i <= s.bareEnd.end {
		return s.bareEnd.end
	}
	end := i
	for end < len(s.t) && s.t[end] > ' ' && strings.IndexByte("\"'`,;&|<>(){}[]\\", s.t[end]) < 0 && !s.isCut(end) {
		end++
	}
	s.bareEnd = span{i, end}
	return end
}

// Lengths below which a value is no secret, or not recognizable as one.
const (
	minQuoted   = 4
	minPassword = 4
	minToken    = 8
)

// believable reports whether v is a secret, and not a placeholder or program text.
func (s *scan) believable(v value, label, name string) bool {
	text := s.t[v.start:v.end]
	if isPlaceholder(text, v.quotedName && v.quote != "") || strings.EqualFold(text, name) || v.quote == "" && (text[0] == '@' || text[0] == '#') {
		return false
	}
	if v.quote != "" {
		switch {
		case strings.ContainsAny(text, " \t"):
			return label == "password" && (v.quotedName && v.closed || s.isCut(v.end)) && (endsIn(name, "passphrase") || !isProse(text))
		case !v.closed:
			return v.end == len(s.t) || s.isCut(v.end)
		}
		return len(text) >= minQuoted
	}
	least := minToken
	if label == "password" {
		least = minPassword
	}
	if len(text) < least && !s.isCut(v.end) {
		return false
	}
	if label == "password" && (text[0] == '/' || text[0] == '~') && strings.HasSuffix(strings.ToLower(name), "pwd") {
		return false // a working directory
	}
	if v.end < len(s.t) && (s.t[v.end] == '(' || s.t[v.end] == '[') {
		return false // a call
	}
	if isExpression(text) {
		return s.spelled(v, name)
	}
	return label == "password" && v.tight || !isNumber(text)
}

// isExpression reports whether text could be a variable or a field in a program: letters alone, or names joined by dots.
func isExpression(text string) bool {
	dots, digits := false, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.':
			dots = true
		case isDigit(c):
			if i == 0 || text[i-1] == '.' {
				return false
			}
			digits = true
		case !isAlpha(c) && c != '_' && c != '$' && c != '!' && c != '?':
			return false
		}
	}
	return dots || !digits
}

func isNumber(text string) bool { return strings.Trim(text, "0123456789.,_") == "" }

// spelled reports whether a value of letters alone is meant as it stands: in environments, addresses and flags, and not
// as the argument of a call.
func (s *scan) spelled(v value, name string) bool {
	const long = 8
	if !v.tight || v.colon || strings.Contains(s.t[v.start:v.end], ".") {
		return false
	}
	if name == strings.ToUpper(name) {
		return true
	}
	start := s.last.start
	if start > 0 && strings.IndexByte("?&;", s.t[start-1]) >= 0 || s.t[start] == '-' {
		return true
	}
	inCall := start > 0 && strings.IndexByte("(,", s.t[start-1]) >= 0 || v.end < len(s.t) && strings.IndexByte("),;.{", s.t[v.end]) >= 0
	return v.end-v.start >= long && !inCall && !strings.Contains(s.t[v.start:v.end], "_")
}

// authorization handles the value of an Authorization header: the credential behind the scheme.
func (s *scan) authorization(v value, i int) int {
	text := s.t[v.start:v.end]
	if v.quote == "" { // a header's value goes on to the end of the line, or of the quote around the header
		if n := strings.IndexByte(s.t[v.end:min(len(s.t), v.end+1)], ' '); n == 0 {
			v.end = s.bare(s.skipSpaces(v.end))
			text = s.t[v.start:v.end]
		}
	}
	if scheme, credential, ok := strings.Cut(text, " "); ok && isExpression(strings.ReplaceAll(scheme, "-", "")) {
		credential = strings.TrimLeft(credential, " ")
		v.start, text = v.end-len(credential), credential
		if strings.EqualFold(scheme, "digest") || len(text) < minCutKey {
			return i + 1
		}
		pair := strings.EqualFold(scheme, "basic") && isPair(text)
		if !pair && isExpression(text) && len(text) < 20 || isPlaceholder(text, false) {
			return i + 1
		}
		label := "authorization"
		if strings.EqualFold(scheme, "bearer") {
			label = "bearer token"
		}
		return s.addKnown(v.start, v.end, label)
	}
	if isPlaceholder(text, false) || isExpression(text) || len(text) < minToken || isNumber(text) || strings.Contains(text, " ") {
		return i + 1
	}
	return s.addKnown(v.start, v.end, "authorization")
}

// pair handles the value of "auth", as Docker has it in its configuration: in JSON, and what else it may mean is no pair.
func (s *scan) pair(v value, i int) int {
	if n := strings.Index(s.t[v.start:v.end], "…"); n >= 0 && !v.closed {
		v.end = v.start + n
	}
	if !v.quotedName || v.quote == "" || !v.closed && !s.isCut(v.end) || !isPair(s.t[v.start:v.end]) {
		return i + 1
	}
	return s.addKnown(v.start, v.end, "credential")
}

// isPair reports whether text is user:password in base64, or the beginning of it.
func isPair(text string) bool {
	const shortest, enough = 8, 256
	text = strings.TrimRight(text[:min(len(text), enough)], "=")
	if len(text) < shortest {
		return false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	raw, err := encoding.DecodeString(text[:len(text)-len(text)%4])
	return err == nil && bytes.IndexByte(raw, ':') >= 0 && bytes.IndexFunc(raw, unicode.IsControl) < 0
}

// cookie handles the value of a Cookie header: everything up to the end of the line, or of the quote around the header.
func (s *scan) cookie(v value, i int) int {
	const maxName = 80
	name, val, ok := strings.Cut(s.t[v.start:min(len(s.t), v.start+maxName)], "=")
	if !ok || len(val) < minCutKey || strings.ContainsAny(name, " (\"'\r\n") || isPlaceholder(val, false) {
		return i + 1
	}
	if v.quote == "" {
		v.end = s.line(v.start)
	}
	if v.end-v.start < len(name)+len("=")+minCutKey {
		return i + 1
	}
	return s.add(v.start, v.end, "cookie")
}

// line returns where the line, or the quoted part of one, that begins at i ends.
func (s *scan) line(i int) int {
	if i >= s.lineEnd.start && i <= s.lineEnd.end {
		return s.lineEnd.end
	}
	end := i
	for end < len(s.t) && strings.IndexByte("\r\n\"'`\\", s.t[end]) < 0 && !s.isCut(end) {
		end++
	}
	s.lineEnd = span{i, end}
	return end
}

// flag looks at the word from i to end as an option whose value is the next word: --password hunter2. It returns the end
// of the secret and notes it, or 0.
func (s *scan) flag(i, end int) int {
	if !strings.HasPrefix(s.t[i:], "--") || end == len(s.t) || s.t[end] != ' ' {
		return 0
	}
	name := s.t[i+2 : end]
	label := secretName(name)
	if label == "" || label == "cookie" {
		return 0
	}
	s.last = span{i, end}
	v, ok := s.valueAfter(end-1, "")
	if !ok || s.t[v.start] == '-' {
		return 0
	}
	v.tight, v.colon = true, false
	if text := s.t[v.start:v.end]; !s.believable(v, label, name) || v.quote == "" && isExpression(text) && !s.endsCommand(v.end) {
		return 0
	}
	return s.addKnown(v.start, v.end, label)
}

// endsCommand reports whether what stands at i ends a command or goes on with its next option: --password is followed by
// prose more often than by a password of letters alone.
func (s *scan) endsCommand(i int) bool {
	if i == len(s.t) {
		return true
	}
	rest := s.t[i:]
	return strings.IndexByte("\r\n\"'`;|&)", rest[0]) >= 0 || strings.HasPrefix(rest, " -") || strings.HasPrefix(rest, " |") || strings.HasPrefix(rest, " &")
}

// address looks for a password in the address whose "://" is at i, and returns where to go on.
func (s *scan) address(i int) int {
	const maxUser = 1 << 10
	start := i + len("://")
	limit := min(len(s.t), start+maxUser)
	colon, at := -1, -1
	end := start
	for ; end < limit; end++ {
		c := s.t[end]
		if c <= ' ' || strings.IndexByte("/?#\"'`<>\\()", c) >= 0 {
			break
		}
		if c == ':' && colon < 0 && at < 0 {
			colon = end
		}
		if c == '@' {
			at = end
		}
	}
	switch {
	case at < 0:
		return start
	case colon > 0 && colon < at:
		s.key(start, colon) // the user may be a token, with something short behind it
		if password := s.t[colon+1 : at]; !isPlaceholder(password, true) {
			return s.addKnown(colon+1, at, "password")
		}
		return at
	case at-start >= 20 && hasDigit(s.t[start:at]) && word.run(s.t, start, maxUser) == at-start:
		return s.addKnown(start, at, "token")
	}
	return start
}
