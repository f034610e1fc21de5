package view

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// Wrong is what is wrong in a form that comes back. Who sees it is at the field of the first mistake.
type Wrong []Mistake

// Mistake is one thing that is wrong in a form.
type Mistake struct {
	Field string // its name; empty: the form as a whole
	Text  string // goes on from the field's label, unless it begins with a capital
}

// id is what a field's mistake is found by.
func (m Mistake) id() string { return "wrong-" + m.Field }

// say is the mistake as a sentence. Labels come in pairs: a field's name and what the form calls it.
func (m Mistake) say(labels []string) string {
	text := strings.TrimSuffix(m.Text, ".")
	if first, _ := utf8.DecodeRuneInString(text); !unicode.IsUpper(first) {
		if m.Field != "" {
			text = labelOf(m.Field, labels) + " " + text
		}
	}
	return sentence(text)
}

// sentence is what programs say, with a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(text[size:], ".") + "."
}

func labelOf(field string, labels []string) string {
	for i := 0; i+1 < len(labels); i += 2 {
		if labels[i] == field {
			return labels[i+1]
		}
	}
	return field
}

// at is what a field says of its mistake to those who do not see it.
func (w Wrong) at(field string) templ.Attributes {
	i := slices.IndexFunc(w, func(m Mistake) bool { return m.Field == field })
	if i < 0 {
		return nil
	}
	told := templ.Attributes{"aria-invalid": "true", "aria-describedby": w[i].id()}
	if i == 0 {
		told["autofocus"] = true
	}
	return told
}

// start is at for the field where a form begins.
func (w Wrong) start(field string) templ.Attributes {
	if len(w) == 0 {
		return templ.Attributes{"autofocus": true}
	}
	return w.at(field)
}

// among is at for one of several boxes of a name: the first has the focus.
func (w Wrong) among(field string, i int) templ.Attributes {
	told := w.at(field)
	if i > 0 {
		delete(told, "autofocus")
	}
	return told
}
