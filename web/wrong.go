package web

import (
	"errors"
	"slices"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// wrongOf is what a form says about err: the first thing that is wrong with each field, or what is wrong with the whole.
func wrongOf(err error) (wrong view.Wrong) {
	e, ok := errors.AsType[*worklog.Error](err)
	if !ok {
		return view.Wrong{{Text: "That did not work"}}
	}
	for _, f := range e.Fields {
		if !slices.ContainsFunc(wrong, func(m view.Mistake) bool { return m.Field == f.Field }) {
			wrong = append(wrong, view.Mistake{Field: f.Field, Text: f.Message})
		}
	}
	if len(wrong) == 0 {
		wrong = view.Wrong{{Text: e.Message}}
	}
	return wrong
}

// wrongAt is one mistake at a field.
func wrongAt(field, text string) view.Wrong { return view.Wrong{{Field: field, Text: text}} }
