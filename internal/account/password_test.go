package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	const good = "träumt der Fluss?" // 17 characters
	for name, tc := range map[string]struct {
		password string
		ok       bool
	}{
		"a sentence":              {good, true},
		"14 characters":           {"vQ8#kd!mzp2&Lw", false},
		"15 characters":           {"vQ8#kd!mzp2&Lwx", true},
		"15 characters, 30 bytes": {"жщюъыэфцчшбгдлп", true},
		"128 characters":          {strings.Repeat("vQ8#kd!m", 16), true},
		"129 characters":          {strings.Repeat("vQ8#kd!m", 16) + "x", false},
		"2 KiB":                   {strings.Repeat("vQ8#kd!m", 256), false},
		"one character":           {strings.Repeat("a", 20), false},
		"digits":                  {"123456789012345678", false},
		"keyboard rows":           {"qwertyuiopasdfghjkl", false},
		"leaked words":            {"Password-Password-1", false},
		"the comic's":             {"correct horse battery staple", false},
		"keyboard columns":        {"1qaz2wsx3edc4rfv", false},
		"a zigzag":                {"1q2w3e4r5t6y7u8i", false},
		"names and a year":        {"Jessica-Michelle-1999", false},
		"three common words":      {"Pokemon Chocolate Banana", false},
		"letters and digits":      {"abcd1234abcd1234", false},
		"a German keyboard":       {"qwertzuiop-asdfgh", false},
		"leaked in long form":     {"iloveyouforever123", false},
		"common, but a sentence":  {"seven bananas sit on a roof", true},
		"own address":             {"ada.lovelace@example2026", false},
		"product and year":        {"worklog-worklog-2026", false},
		"invalid UTF-8":           {"vQ8#kd!mzp2&Lw\xff\xfe", false},
		"NUL":                     {"vQ8#kd!mzp2&Lw\x00x", false},
	} {
		err := CheckPassword(tc.password, "ada.lovelace@example.org")
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if e, is := errors.AsType[*worklog.Error](err); err != nil && (!is || e.Code != worklog.CodeInvalid || e.Fields[0].Field != "password") {
			t.Errorf("%s: %#v names no field", name, err)
		}
	}
}

func TestPasswordsMatchInEitherUnicodeForm(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	hash, err := p.Hash(t.Context(), "cafe\u0301 con leche, por favor")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q does not use the parameters that were chosen", hash)
	}
	for password, want := range map[string]bool{
		"caf\u00e9 con leche, por favor":  true,
		"cafe\u0301 con leche, por favor": true,
		"cafe con leche, por favor":       false,
		"":                                false,
	} {
		if got, err := p.Verify(t.Context(), password, hash); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v; want %v", password, got, err, want)
		}
	}
}

// S-10: counting the work proves more than measuring its time on a busy machine.
func TestUnknownUserCostsAsMuchAsAWrongPassword(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	var work atomic.Int32
	p.hashed = func() { work.Add(1) }
	hash, err := p.Hash(t.Context(), "träumt der Fluss?")
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string]string{"unknown user": "", "known user": hash} {
		work.Store(0)
		for _, password := range []string{"wrong", "nobody has this password", strings.Repeat("x", 5000)} {
			if ok, err := p.Verify(t.Context(), password, stored); ok || err != nil {
				t.Errorf("%s: Verify(%.20q) = %v, %v", name, password, ok, err)
			}
		}
		if work.Load() != 3 {
			t.Errorf("%s: 3 checks hashed %d times", name, work.Load())
		}
	}
}

func TestOnlyTwoPasswordsAreHashedAtATime_S10(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	var most atomic.Int32
	p.hashed = func() { most.Store(max(most.Load(), int32(len(p.turn)))) }
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { _, _ = p.Verify(t.Context(), "x", "") })
	}
	all.Wait()
	if most.Load() > hashers {
		t.Errorf("%d at a time", most.Load())
	}
	p.turn <- struct{}{}
	p.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Verify(ctx, "x", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("who left keeps waiting: %v", err)
	}
}

func TestARefusedPasswordIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	err := CheckPassword("correct horse battery staple", "ada@example.org")
	if want := "This password can not be used: password is one of the first that an attacker tries"; err == nil || err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
}
