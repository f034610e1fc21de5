package store

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonbSize is octet_length(metadata::text) of compact JSON without asking PostgreSQL, so that what an entry counts
// when it is written is what it is worth when it leaves. PostgreSQL puts a space after each colon and comma, writes
// numbers out without exponent, and escapes less than JSON encoders do.
func jsonbSize(compact string) int {
	size := 0
	for i := 0; i < len(compact); {
		switch c := compact[i]; {
		case c == '"':
			n, length := jsonbString(compact[i:])
			i, size = i+n, size+length
		case c == ':' || c == ',':
			i, size = i+1, size+2
		case c == '-' || c-'0' <= 9:
			n := numberEnd(compact[i:])
			size += numericSize(compact[i : i+n])
			i += n
		default: // brackets and words
			i, size = i+1, size+1
		}
	}
	return size
}

// jsonbString returns how long the string literal that s begins with is here, and as PostgreSQL writes it.
func jsonbString(s string) (n, length int) {
	for n, length = 1, 1; n < len(s); {
		switch {
		case s[n] == '"':
			return n + 1, length + 1
		case s[n] != '\\':
			n, length = n+1, length+1
		case n+6 <= len(s) && s[n+1] == 'u':
			code, _ := strconv.ParseUint(s[n+2:n+6], 16, 16)
			n += 6
			switch {
			case code == '\b' || code == '\f':
				length += 2
			case code < ' ':
				length += 6
			default:
				length += utf8.RuneLen(rune(code))
			}
		default:
			n, length = n+2, length+2
		}
	}
	return n, length
}

func numberEnd(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("+-.0123456789eE", r) })
	if n < 0 {
		return len(s)
	}
	return n
}

// numericSize is how long PostgreSQL's numeric writes a JSON number.
func numericSize(s string) int {
	digits, sign := strings.CutPrefix(s, "-")
	mantissa, exponent := digits, 0
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		mantissa = digits[:i]
		exponent, _ = strconv.Atoi(digits[i+1:])
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	size := 0
	if sign && strings.Trim(mantissa, "0.") != "" { // numeric knows no -0
		size = 1
	}
	scale := max(0, len(fraction)-exponent)
	all := strings.TrimLeft(whole+fraction, "0")
	leading := len(all) + exponent - len(fraction) // digits before the point
	if all == "" {
		leading = 0
	}
	size += max(1, leading)
	if scale > 0 {
		size += 1 + scale
	}
	return size
}
