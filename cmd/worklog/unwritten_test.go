package main

import (
	"strings"
	"syscall"
	"testing"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A secret is shown once: one that could not be shown must not look like a success, and must open nothing.
func TestASecretThatCanNotBePrintedIsNoSuccess(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase, "user", "add", "ada@example.org", "--password-stdin")
	for says, args := range map[string][]string{
		"the token could not be written, and is revoked": {"token", "create", "ada@example.org", "--name", "x"},
		"the link could not be written":                  {"user", "link", "ada@example.org"},
		"no space left":                                  {"version"},
	} {
		a, _, stderr := world(t, map[string]string{"DATABASE_URL": d.dsn})
		a.stdout = full{}
		if code := a.run(args); code != 1 || !strings.Contains(stderr.String(), says) {
			t.Errorf("%v: exit %d, %s", args, code, stderr.String())
		}
	}
	ada, _ := d.user("ada@example.org")
	if tokens, err := d.store.Tokens(t.Context(), ada.ID); err != nil || len(tokens) != 0 {
		t.Errorf("tokens that work: %v, %v", tokens, err)
	}
}
