package account

import (
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/worklogdev/worklog/worklog"
)

// NormalizeEmail returns the address that a user typed as it is stored, or an [worklog.Error] for the field "email".
func NormalizeEmail(typed string) (string, error) {
	email := norm.NFC.String(strings.TrimSpace(typed))
	parsed, err := mail.ParseAddress(email)
	odd := strings.ContainsFunc(email, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Z) || r == unicode.ReplacementChar })
	if err != nil || parsed.Address != email || len(email) > maxEmail || odd {
		const broken = "must be an e-mail address, like name@example.org"
		return "", &worklog.Error{
			Code: worklog.CodeInvalid, Message: "This e-mail address can not be used", Fields: []worklog.FieldError{{Field: "email", Message: broken}},
		}
	}
	return email, nil
}
