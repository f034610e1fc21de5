package account

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
)

const (
	// TokenPrefix marks a token for people, secret scanners and logs.
	TokenPrefix = "wlg_"
	// ShownPrefix is how much of a token is kept to recognise it by: 24 of its 178 random bits.
	ShownPrefix = len(TokenPrefix) + 4

	secretDigits   = 30 // 178 bits
	checksumDigits = 6  // holds any 32 bits
	tokenLength    = len(TokenPrefix) + secretDigits + checksumDigits
	linkDigits     = 43 // 256 bits
)

// base62 are the digits of secrets: none of them needs quoting anywhere, and a double click selects them all.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewSecret returns the secret of a new token.
func NewSecret() string {
	body := randomDigits(secretDigits)
	return TokenPrefix + body + checksum(body)
}

// NewLinkSecret returns the secret of a new one-time link.
func NewLinkSecret() string { return randomDigits(linkDigits) }

// HashSecret returns what is stored of a token's, link's or session's secret. They are random, so a fast hash is enough.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// WellFormed reports whether secret can be a token at all. It spares the database typing mistakes and noise.
func WellFormed(secret string) bool {
	if len(secret) != tokenLength || !strings.HasPrefix(secret, TokenPrefix) {
		return false
	}
	body := secret[len(TokenPrefix) : len(TokenPrefix)+secretDigits]
	return strings.Trim(body, base62) == "" && secret[len(TokenPrefix)+secretDigits:] == checksum(body)
}

// checksum is the CRC-32 of body in base62. It proves nothing, it finds mistakes.
func checksum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	var out [checksumDigits]byte
	for i := range out {
		out[checksumDigits-1-i] = base62[n%62]
		n /= 62
	}
	return string(out[:])
}

func randomDigits(n int) string {
	out := make([]byte, n)
	limit := big.NewInt(int64(len(base62)))
	for i := range out {
		d, err := rand.Int(rand.Reader, limit)
		if err != nil {
			panic(err) // crypto/rand ends the program itself before it fails
		}
		out[i] = base62[d.Int64()]
	}
	return string(out)
}
