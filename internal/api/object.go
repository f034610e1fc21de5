package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// member is one member of an object that a request may have: its name and where its value goes.
type member struct {
	name string
	into any
}

// readObject reads a body that is one JSON object with no members but these, each at most once; null is the same as
// absent. Every member that is wrong is named. Drafts have a faster way of their own.
func (a *API) readObject(c echo.Context, members ...member) error {
	media, err := mediaType(c.Request())
	if err != nil {
		return err
	}
	if media != mediaJSON {
		return worklog.Errorf(worklog.CodeMediaType, "the Content-Type must be application/json")
	}
	release, err := a.reserve(c)
	if err != nil {
		return err
	}
	defer release()
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	raw, err := readBody(c.Request(), buf)
	if err != nil {
		return err
	}
	return decodeObject(raw, members)
}

func decodeObject(raw []byte, members []member) error {
	switch trimmed := bytes.TrimLeft(raw, " \t\r\n"); {
	case len(trimmed) == 0:
		return malformed("the body is empty")
	case !json.Valid(raw):
		return malformed("the body is not one JSON value")
	case trimmed[0] != '{':
		return malformed("the body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return malformed("the body is not JSON")
	}
	var fields []worklog.FieldError
	var seen []string
	for dec.More() && len(fields) < maxProblemErrors {
		name, value, err := nextMember(dec)
		if err != nil {
			return err
		}
		if message := put(members, name, value, slices.Contains(seen, name)); message != "" {
			fields = append(fields, worklog.FieldError{Field: worklog.Cut(name, 100), Message: message})
		} else {
			seen = append(seen, name)
		}
	}
	if len(fields) > 0 {
		return &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid request", Fields: fields}
	}
	return nil
}

func nextMember(dec *json.Decoder) (name string, value json.RawMessage, err error) {
	token, err := dec.Token()
	if err == nil {
		name, _ = token.(string)
		err = dec.Decode(&value)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return name, nil, malformed("the body is not JSON")
	}
	return name, value, nil
}

// put stores a value where it belongs, or says what is wrong with it.
func put(members []member, name string, value json.RawMessage, twice bool) string {
	i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
	switch {
	case i < 0:
		return "is not known here"
	case twice:
		return "is given twice"
	}
	if json.Unmarshal(value, members[i].into) == nil {
		return ""
	}
	switch members[i].into.(type) {
	case **bool:
		return "must be true or false"
	case **time.Time:
		return "must be an RFC 3339 time such as 2026-01-31T15:04:05Z"
	case *worklog.Metadata:
		return "must be an object"
	default:
		return "must be a string"
	}
}
