// Package ansi finds terminal control sequences (ECMA-48, xterm) in text that nobody has checked. Redaction and pages use
// the same definition: what a page leaves out must not hide a secret from redaction.
package ansi

// Kind is a kind of control sequence.
type Kind uint8

// The kinds.
const (
	None    Kind = iota // no complete sequence
	CSI                 // colours and cursor movements: ESC [ parameters final
	Payload             // OSC, DCS, APC, PM, SOS: a text for the terminal, such as a title, a link or the clipboard
	Short               // ESC and one byte, or an intermediate and one byte: character sets, save and restore
)

// Escape begins every sequence.
const Escape = 0x1b

// maxCSI bounds a CSI sequence; a longer one is text. No program writes half as much.
const maxCSI = 64

// Sequence returns the kind and the length of the complete control sequence that s begins with, else None and 0.
//
// A payload ends at BEL or ESC \, and never goes beyond its line or another escape: so an unfinished one hides nothing,
// and any number of unfinished ones is read in linear time.
func Sequence(s string) (Kind, int) {
	if len(s) < 2 || s[0] != Escape {
		return None, 0
	}
	switch c := s[1]; {
	case c == '[':
		return csi(s)
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		return payload(s)
	case c >= 0x30 && c <= 0x7e:
		return Short, 2
	case c >= 0x20 && c <= 0x2f && len(s) > 2 && s[2] >= 0x30 && s[2] <= 0x7e:
		return Short, 3
	}
	return None, 0
}

// Text returns the text inside a sequence of kind Payload.
func Text(sequence string) string {
	if sequence[len(sequence)-1] == '\a' {
		return sequence[2 : len(sequence)-1]
	}
	return sequence[2 : len(sequence)-2]
}

func csi(s string) (Kind, int) {
	for i := 2; i < min(len(s), maxCSI); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return CSI, i + 1
		case c < 0x20 || c > 0x3f:
			return None, 0
		}
	}
	return None, 0
}

func payload(s string) (Kind, int) {
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\a':
			return Payload, i + 1
		case Escape:
			if i+1 < len(s) && s[i+1] == '\\' {
				return Payload, i + 2
			}
			return None, 0
		case '\n', '\r':
			return None, 0
		}
	}
	return None, 0
}
