package store

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/worklogdev/worklog/worklog"
)

// retryAfter is what callers are told to wait while PostgreSQL is away.
const retryAfter = 2 * time.Second

// constraintErrors says what a broken constraint means to a person.
func constraintError(name string) *worklog.Error {
	switch name {
	case "users_email_key":
		return worklog.Errorf(worklog.CodeConflict, "a user with this e-mail address exists")
	case "users_email_length":
		return &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid user", Fields: []worklog.FieldError{{Field: "email", Message: "must have 3 to 254 characters"}}}
	case "conversations_key":
		return worklog.Errorf(worklog.CodeConflict, "a conversation with this key exists")
	case "work_logs_key":
		return worklog.Errorf(worklog.CodeConflict, "an entry with this key exists")
	}
	return nil
}

// mapError turns what PostgreSQL says into an Error where a caller can act on it: not found, conflict, invalid or
// unavailable. Anything else is returned as it is and remains internal.
func mapError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*worklog.Error](err); ok {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows) {
		return &worklog.Error{Code: worklog.CodeNotFound, Message: "not found", Err: err}
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if e := constraintError(pg.ConstraintName); e != nil {
			e.Err = err
			return e
		}
		if isData(pg.Code) {
			return &worklog.Error{Code: worklog.CodeInvalid, Message: "the database refused a value", Err: err}
		}
	}
	if isAway(err) {
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "the database does not answer, try again", RetryAfter: retryAfter, Err: err}
	}
	return err
}

// isData reports SQLSTATE classes 22 (data exception) and 23 (constraint violation): the values are at fault, not the server.
func isData(code string) bool {
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

// isAway reports errors that say nothing about the statement: no connection, a server that starts, stops or is full.
func isAway(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(pg.Code, "08"), strings.HasPrefix(pg.Code, "57"), strings.HasPrefix(pg.Code, "53"):
			return true // connection, operator intervention (shutdown, timeout), insufficient resources (disk full)
		case pg.Code == "40P01", pg.Code == "55P03", pg.Code == "25006":
			return true // deadlock, lock timeout, read-only: gone on the next try
		}
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || isBroken(err)
}

// isBroken reports that the connection ended while the server's answer was awaited: what it did is unknown.
func isBroken(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error() // pgx has no exported error for these
	return strings.Contains(text, "unexpected EOF") || strings.Contains(text, "conn closed") ||
		strings.Contains(text, "connection reset") || strings.Contains(text, "broken pipe") || strings.Contains(text, "closed pool") ||
		strings.Contains(text, "conn busy") || strings.HasSuffix(text, "EOF")
}
