package redact

import "strings"

// pem returns the end of the private key that begins at i and notes it, or goes on behind its first line. Certificates
// and public keys are no secrets, and neither is program text that only speaks of keys.
func (s *scan) pem(i int) int {
	const begin, dashes, maxLabel = "-----BEGIN", "-----", 60
	label := s.t[i+len(begin) : min(len(s.t), i+maxLabel)]
	n := strings.Index(label, dashes)
	if n < 0 || !strings.Contains(label[:n], "PRIVATE KEY") {
		return i + len(begin)
	}
	body := i + len(begin) + n + len(dashes)
	stop, size, longest := s.armor(s.headers(body))
	if strings.HasPrefix(s.t[stop:], dashes+"END") {
		stop += len(dashes)
		if n := strings.Index(s.t[stop:min(len(s.t), stop+maxLabel)], dashes); n >= 0 {
			stop += n + len(dashes)
		}
		if size >= 16 {
			return s.add(i, stop, "private key")
		}
		return body
	}
	if longest >= 40 || size > 0 && (stop == len(s.t) || s.isCut(stop)) {
		return s.add(i, stop, "private key")
	}
	return body
}

// headers returns where the headers of a PEM block end that begin at i, as "Version: GnuPG v2" is one.
func (s *scan) headers(i int) int {
	const most, longest, longestName = 8, 200, 32
	for range most {
		at := s.lineStart(i)
		name := at
		for name < len(s.t) && name-at < longestName && (isAlpha(s.t[name]) || s.t[name] == '-') {
			name++
		}
		line := s.t[name:min(len(s.t), name+longest)]
		if name == at || !strings.HasPrefix(line, ": ") {
			return i
		}
		end := strings.IndexByte(line, '\n')
		for _, escape := range [...]string{`\n`, `\r`} {
			if n := strings.Index(line, escape); n >= 0 && (end < 0 || n < end) {
				end = n
			}
		}
		if end < 0 || strings.Contains(line[:end], "-----") {
			return i
		}
		i = name + end
	}
	return i
}

// lineStart returns where the next line from i on says something: behind its end, quotes, a number, the sign of a diff.
func (s *scan) lineStart(i int) int {
	const longest = 32
	limit := min(len(s.t), i+longest)
	for i < limit {
		switch c := s.t[i]; {
		case c == '\\' && i+1 < limit && strings.IndexByte("nrt", s.t[i+1]) >= 0:
			i += 2
		case strings.IndexByte("\\\r\n\t \"'`,:|>+", c) >= 0 || isDigit(c) || c >= 0x80:
			i++
		default:
			return i
		}
	}
	return i
}

// armor returns where the text from i on stops to look like the inside of a PEM block, be it quoted, escaped, numbered or
// in a diff; how many letters and digits it has; and the longest stretch of base64 in it.
func (s *scan) armor(i int) (stop, size, longest int) {
	stretch := 0
	for ; i < len(s.t); i++ {
		c := s.t[i]
		switch {
		case isAlnum(c):
			size++
			stretch++
		case c == '+' || c == '/' || c == '=':
			stretch++
		case c == '-' && strings.HasPrefix(s.t[i:], "-----"):
			return i, size, longest
		case s.isCut(i):
			return i, size, longest
		case strings.IndexByte("\\\r\n\t \"'`,-:|>", c) >= 0 || c >= 0x80:
			stretch = 0
		default:
			return i, size, longest
		}
		longest = max(longest, stretch)
	}
	return i, size, longest
}
