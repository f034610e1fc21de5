package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// MinPassword is NIST SP 800-63B-4's minimum where the password is the only factor.
	MinPassword = 15
	// maxPasswordRunes and maxPasswordBytes bound the work of hashing.
	maxPasswordRunes = 128
	maxPasswordBytes = 1 << 10
	// hashers is how many passwords are hashed at a time: each takes 19 MiB.
	hashers = 2
	// hashWait is how long a login waits for its turn; 800 others may be before it.
	hashWait = 10 * time.Second
)

// hashParams are OWASP's minimum for argon2id: 25 ms and 19 MiB. The library's own defaults take 64 MiB and every core.
func hashParams() *argon2id.Params {
	return &argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Passwords hashes and checks passwords, a few at a time.
type Passwords struct {
	turn   chan struct{}
	decoy  func() (string, error) // the hash that unknown users are checked against
	hashed func()                 // called for each hashing; tests count
}

// NewPasswords returns a hasher for the whole process.
func NewPasswords() *Passwords {
	return &Passwords{
		turn:   make(chan struct{}, hashers),
		decoy:  sync.OnceValues(func() (string, error) { return argon2id.CreateHash("nobody has this password", hashParams()) }),
		hashed: func() {},
	}
}

// CheckPassword reports which rule a new password for email breaks, as an [worklog.Error] for the field "password".
func CheckPassword(password, email string) error {
	var broken string
	folded := strings.ToLower(norm.NFC.String(password))
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		broken = "is not valid text"
	case utf8.RuneCountInString(norm.NFC.String(password)) < MinPassword:
		broken = fmt.Sprintf("must have at least %d characters", MinPassword)
	case len(password) > maxPasswordBytes || utf8.RuneCountInString(password) > maxPasswordRunes:
		broken = fmt.Sprintf("must have at most %d characters", maxPasswordRunes)
	case guessable(folded, strings.ToLower(email)):
		broken = "is one of the first that an attacker tries"
	default:
		return nil
	}
	return &worklog.Error{
		Code: worklog.CodeInvalid, Message: "This password can not be used", Fields: []worklog.FieldError{{Field: "password", Message: broken}},
	}
}

// minDistinct is how many different characters a password has at least.
const minDistinct = 5

// guessable reports a password that repeats itself or is built of nothing but well-known parts: after the common words,
// the product's name and the address's parts are taken out, too little remains.
func guessable(password, email string) bool {
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	if len(distinct) < minDistinct {
		return true
	}
	rest := password
	parts := strings.FieldsFunc(email, func(r rune) bool { return strings.ContainsRune("@.+-_", r) })
	words := append(parts, commonWords()...)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // a short one must not break a long one
	for _, word := range words {
		if len(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	rest = strings.Trim(rest, "0123456789 .,-_!?*#$@")
	return utf8.RuneCountInString(rest) < 4
}

// commonWords is what the passwords of every leaked list are built of.
func commonWords() []string {
	return strings.Fields(`correcthorsebatterystaple correct horse battery staple qwertyuiop asdfghjkl asdfgh zxcvbnm qwertyui qwerty azerty
		1q2w3e4r5t 1qaz2wsx3edc 1qaz2wsx q1w2e3r4 abcdefghijklmnopqrstuvwxyz abcdefghijklmnop abcdefgh abcdef abc
		passwords password passwort passw0rd p@ssw0rd p@ssword motdepasse contraseña administrator admin root letmein
		welcome iloveyou monkey dragon master sunshine princess football baseball superman batman shadow michael
		trustno1 starwars freedom computer internet secret changeme default login access hello worklog user
		test temp guest demo please love god summer winter spring autumn
		1q2w3e4r5t6y7u8i9o0p 1q2w3e4r5t6y7u8i 1q2w3e4r5t6y 1q2w3e4r qwertzuiop q1w2e3r4t5y6 1qaz2wsx3edc4rfv 1qazxsw2 zaq12wsx zaq1 qwertz yxcvbn qazwsxedc qazwsx asdfasdf abcd1234 abc123 a1b2c3d4
		pokemon charlie jordan michelle jessica ashley nicole daniel chocolate butterfly sunflower liverpool chelsea arsenal barcelona
		whatever mustang hunter killer ninja matrix samsung google facebook letmein123 lovely family friends forever hello123 purple
		orange banana cookie pepper ginger soccer hockey banking company office server database postgres agent claude codex`)
}

// Hash returns what is stored for password.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	done, err := p.wait(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return argon2id.CreateHash(norm.NFC.String(password), hashParams())
}

// Verify reports whether password belongs to hash. An empty hash (an unknown user, one without a password) costs the
// same and is never right, so that the time tells nobody who has an account.
func (p *Passwords) Verify(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		var err error
		if hash, err = p.decoy(); err != nil {
			return false, err
		}
	}
	if len(password) > maxPasswordBytes {
		password, known = password[:maxPasswordBytes], false
	}
	done, err := p.wait(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	match, err := argon2id.ComparePasswordAndHash(norm.NFC.String(password), hash)
	return match && known, err
}

// wait takes a turn. The caller gives it back.
func (p *Passwords) wait(ctx context.Context) (func(), error) {
	limit := time.NewTimer(hashWait)
	defer limit.Stop()
	select {
	case p.turn <- struct{}{}:
		p.hashed()
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-limit.C:
		return nil, &worklog.Error{Code: worklog.CodeUnavailable, Message: "too many sign-ins at once, try again", RetryAfter: hashWait}
	}
}
