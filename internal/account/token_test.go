package account

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

func TestTokensHaveThePromisedForm(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^wlg_[0-9A-Za-z]{30}[0-9A-Za-z]{6}$`)
	seen := map[string]bool{}
	for range 1000 {
		secret := NewSecret()
		if !form.MatchString(secret) || !WellFormed(secret) {
			t.Fatalf("%q is not well formed", secret)
		}
		if seen[secret] {
			t.Fatalf("%q came twice", secret)
		}
		seen[secret] = true
	}
}

func TestAnyTypingMistakeIsFoundWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	for i := range secret {
		for _, r := range []byte("aZ0_") {
			wrong := []byte(secret)
			if wrong[i] == r {
				continue
			}
			wrong[i] = r
			if WellFormed(string(wrong)) {
				t.Errorf("%q passes for %q", wrong, secret)
			}
		}
	}
	for _, wrong := range []string{"", "wlg_", secret[1:], secret + "a", secret[:len(secret)-1], "WLG_" + secret[4:]} {
		if WellFormed(wrong) {
			t.Errorf("%q is well formed", wrong)
		}
	}
}

func TestSecretsAreStoredAsHashes(t *testing.T) {
	t.Parallel()
	secret := NewLinkSecret()
	if len(secret) != 43 {
		t.Errorf("a link's secret has %d characters", len(secret))
	}
	if h := HashSecret(secret); len(h) != 32 || bytes.Contains(h, []byte(secret)) || !bytes.Equal(h, HashSecret(secret)) {
		t.Errorf("HashSecret(%q) = %x", secret, h)
	}
}

func TestATokenWithoutRightsIsToldWhatItsOwnerMayGive(t *testing.T) {
	t.Parallel()
	for owner, want := range map[User]string{{}: "write, read, otlp", {Admin: true}: "write, read, admin, otlp"} {
		_, _, err := NewToken(owner, TokenRequest{Name: "x"}, false, time.Now())
		if want = "This token can not be made: scope needs at least one of " + want; err == nil || err.Error() != want {
			t.Errorf("it says %q, want %q", err, want)
		}
	}
}
