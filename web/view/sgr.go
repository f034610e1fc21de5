package view

import (
	"strconv"
	"strings"
)

// hue is a colour of ours: whatever a program asks for, a page has seven that can be read on its ground, light or dark.
type hue byte

const (
	plainHue hue = iota
	grey
	red
	green
	yellow
	blue
	magenta
	cyan
)

// style is how a terminal writes at the moment.
type style struct {
	ink, ground                                hue
	bold, faint, italic, underline, gone, swap bool
}

// pieceClasses are all the classes that a piece may have, each on its own or with others.
func pieceClasses() []string {
	return []string{
		"c1", "c2", "c3", "c4", "c5", "c6", "c7", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "ab", "ai", "au", "as", // of terminals
		"da", "dd", "dh", "dm", // of diffs: added, deleted, hunk, headers
		"jk", "js", "jn", // of JSON: names, texts, everything else
	}
}

// class returns the classes of the style.
func (s *style) class() string {
	ink, ground := s.ink, s.ground
	if s.swap {
		if ink == plainHue {
			ink = grey
		}
		ink, ground = plainHue, ink
	}
	if s.faint && ink == plainHue {
		ink = grey
	}
	var words []string
	if ink != plainHue && ground == plainHue {
		words = append(words, "c"+strconv.Itoa(int(ink)))
	}
	if ground != plainHue { // a tint, on which only the page's own ink can be read
		words = append(words, "g"+strconv.Itoa(int(ground)))
	}
	for _, w := range []struct {
		on   bool
		word string
	}{{s.bold, "ab"}, {s.italic, "ai"}, {s.underline, "au"}, {s.gone, "as"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}

// apply obeys the parameters of a Select Graphic Rendition sequence. What is hidden or blinks elsewhere is shown here.
func (s *style) apply(params string) {
	p := parameters(params)
	for len(p) > 0 {
		n := p[0]
		p = p[1:]
		switch {
		case n == 0:
			*s = style{}
		case n == 38 || n == 48:
			var h hue
			if h, p = extended(p); n == 38 {
				s.ink = h
			} else {
				s.ground = h
			}
		case n >= 30 && n <= 37 || n >= 90 && n <= 97:
			s.ink = basic(n%10, n >= 90)
		case n >= 40 && n <= 47 || n >= 100 && n <= 107:
			s.ground = basic(n%10, n >= 100)
		default:
			s.attribute(n)
		}
	}
}

func (s *style) attribute(n int) {
	switch n {
	case 1:
		s.bold = true
	case 2:
		s.faint = true
	case 3:
		s.italic = true
	case 4, 21:
		s.underline = true
	case 7:
		s.swap = true
	case 9:
		s.gone = true
	case 22:
		s.bold, s.faint = false, false
	case 23:
		s.italic = false
	case 24:
		s.underline = false
	case 27:
		s.swap = false
	case 29:
		s.gone = false
	case 39:
		s.ink = plainHue
	case 49:
		s.ground = plainHue
	}
}

// parameters reads numbers between ; or :, an empty one being 0. What is none counts as one that means nothing.
func parameters(s string) []int {
	s = strings.ReplaceAll(s, "2::", "2:") // a colour space, which nobody names
	parts := strings.Split(strings.ReplaceAll(s, ":", ";"), ";")
	list := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil && part != "" {
			n = -1
		}
		list[i] = n
	}
	return list
}

// basic returns the hue of one of the eight colours. Black and white are the page's own ink; bright black is grey.
func basic(n int, bright bool) hue {
	switch n {
	case 0:
		if bright {
			return grey
		}
		return plainHue
	case 7:
		return plainHue
	}
	return red + hue(n-1)
}

// extended reads a colour of 256 (5;n) or of all (2;r;g;b), and returns what is left.
func extended(p []int) (hue, []int) {
	switch {
	case len(p) >= 2 && p[0] == 5:
		return indexed(p[1]), p[2:]
	case len(p) >= 4 && p[0] == 2:
		return nearest(p[1], p[2], p[3]), p[4:]
	}
	return plainHue, nil
}

func indexed(n int) hue {
	switch {
	case n < 0 || n > 255:
		return plainHue
	case n < 16:
		return basic(n%8, n >= 8)
	case n >= 232:
		return nearest((n-232)*10+8, (n-232)*10+8, (n-232)*10+8)
	}
	level := func(i int) int {
		if i == 0 {
			return 0
		}
		return 55 + 40*i
	}
	n -= 16
	return nearest(level(n/36), level(n/6%6), level(n%6))
}

// nearest returns the hue of a colour. Colours without much of one are grey in the middle and the page's ink at the ends.
func nearest(r, g, b int) hue {
	const sixth, pale = 60, 48
	high, low := max(r, g, b), min(r, g, b)
	if spread := high - low; spread < pale {
		if high > 64 && high < 192 {
			return grey
		}
		return plainHue
	}
	var angle int
	switch high {
	case r:
		angle = sixth * (g - b) / (high - low)
	case g:
		angle = 2*sixth + sixth*(b-r)/(high-low)
	default:
		angle = 4*sixth + sixth*(r-g)/(high-low)
	}
	switch angle = (angle + 6*sixth) % (6 * sixth); {
	case angle < 18 || angle >= 340:
		return red
	case angle < 70:
		return yellow
	case angle < 160:
		return green
	case angle < 205:
		return cyan
	case angle < 262:
		return blue
	}
	return magenta
}
