package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isProse reports whether a text of several words speaks of a password instead of being one: what a form says of it, in a
// file of translations or in an answer. Words that nothing joins, as in a passphrase, are no prose.
func isProse(text string) bool {
	const enough = 2
	weight := 0
	for w := range strings.FieldsSeq(text) {
		w = strings.ToLower(strings.Trim(w, "()[]{}%.,;:!?\"'`\\«»„“”…¿¡-–—"))
		if !isOrdinary(w) {
			return false
		}
		weight += weightInProse(w)
	}
	return weight >= enough || isSentence(text)
}

// isOrdinary reports whether w is a word or a number, and no mixture of both.
func isOrdinary(w string) bool {
	letters, numbers := false, false
	for _, r := range w {
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r):
			letters = true
		case unicode.IsDigit(r):
			numbers = true
		case r != '-' && r != '–' && r != '\'' && r != '’' && r != '_' && r != '.' && r != '/':
			return false
		}
	}
	return !letters || !numbers
}

// weightInProse is how much a word in small letters speaks for prose: twice as much when it hardly stands in a password.
func weightInProse(w string) int {
	switch w {
	case "password", "passwords", "passwort", "kennwort", "passe", "contraseña", "senha", "wachtwoord", "lösenord", "passord", "adgangskode", "hasło", "heslo", "jelszó",
		"пароль", "пароля", "invalid", "required", "characters", "minimum", "expired", "incorrect":
		return 2
	case "a", "and", "at", "be", "been", "blank", "can't", "cannot", "confirm", "contain", "do", "doesn't", "empty", "enter", "for", "forgot", "has", "have", "in", "is", "least", "long", "match",
		"must", "new", "not", "of", "one", "only", "or", "please", "short", "that", "the", "this", "to", "too", "was", "weak", "with", "wrong", "you", "your":
		return 1
	}
	return 0
}

// isSentence reports whether text begins and ends like a sentence of at least three words.
func isSentence(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return unicode.IsUpper(first) && strings.Count(text, " ") >= 2 && strings.TrimRight(text, ".?") != text
}
