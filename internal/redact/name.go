package redact

import "strings"

// secretName returns what kind of secret the name says its value is, or "". Name is the last part of a name in a text:
// password, DB_PASSWORD, dbPassword, x-api-key.
func secretName(name string) string {
	if len(name) < 3 || len(name) > 80 {
		return ""
	}
	switch name[len(name)-1] | 0x20 {
	case 'd':
		return labelIf(endsIn(name, "password", "passwd") || endsInWord(name, "pwd") && !strings.EqualFold(name, "pwd") && !strings.EqualFold(name, "oldpwd"), "password")
	case 'e':
		switch {
		case endsIn(name, "passphrase"):
			return "password"
		case endsInWord(name, "cookie"):
			return "cookie"
		case strings.EqualFold(name, "x-amz-signature"), strings.EqualFold(name, "x-goog-signature"):
			return "signature"
		}
	case 'h':
		return labelIf(name == "_auth", "credential")
	case 'n':
		switch {
		case endsInWord(name, "authorization"):
			return "authorization"
		case strings.EqualFold(name, "worklog_session"):
			return "cookie"
		case endsInWord(name, "token") && !isTokenOfText(name):
			return "token"
		}
	case 's':
		return labelIf(endsInWord(name, "pass") && len(name) > len("pass"), "password")
	case 't':
		return labelIf(endsIn(name, "secret"), "secret")
	case 'y':
		return labelIf(endsInWord(name, "key") && isKeyName(name), "key")
	}
	return ""
}

// secretField is [secretName] for the name of a fact, where nothing but the name decides, so that more names count.
func secretField(name string) string {
	if label := secretName(name); label != "" {
		return label
	}
	if len(name) > 80 {
		return ""
	}
	switch {
	case endsInWord(name, "secrets"):
		return "secret"
	case endsInWord(name, "credential"), endsInWord(name, "credentials"), strings.EqualFold(name, "auth"):
		return "credential"
	case endsInWord(name, "cookies"):
		return "cookie"
	case endsInWord(name, "passwords"), strings.EqualFold(name, "pass"), strings.EqualFold(name, "pwd"):
		return "password"
	case strings.EqualFold(name, "jwt"), strings.EqualFold(name, "bearer"):
		return "token"
	}
	return ""
}

func labelIf(ok bool, label string) string {
	if ok {
		return label
	}
	return ""
}

// endsIn reports whether name ends in one of the words, in any case.
func endsIn(name string, words ...string) bool {
	for _, w := range words {
		if len(name) >= len(w) && strings.EqualFold(name[len(name)-len(w):], w) {
			return true
		}
	}
	return false
}

// endsInWord reports whether the last word of name is w: API_KEY, api-key, apiKey, APIKEY and apikey end in key, monkey
// does not end in KEY. Joined names of small letters count when what is before the word is known to stand there.
func endsInWord(name, w string) bool {
	n := len(name) - len(w)
	if n < 0 || !strings.EqualFold(name[n:], w) {
		return false
	}
	if n == 0 || !isAlpha(name[n-1]) {
		return true
	}
	if before, after := name[n-1], name[n]; before >= 'a' && after <= 'Z' { // dbPassword
		return true
	}
	return endsIn(name[:n], "api", "auth", "access", "refresh", "secret", "private", "session", "bearer", "account", "id", "bot")
}

// isKeyName reports whether a name that ends in key is a secret one: api_key is, primary_key is not.
func isKeyName(name string) bool {
	rest := strings.TrimRight(name[:len(name)-len("key")], "_-.")
	return endsIn(rest, "api", "access", "secret", "private", "account", "signing", "encryption", "auth", "master", "shared", "storage", "webhook", "service", "service_role", "license")
}

// isTokenOfText reports whether a token of that name is a piece of text: end of sequence, and the like.
func isTokenOfText(name string) bool {
	rest := strings.TrimRight(name[:len(name)-len("token")], "_-")
	return endsIn(rest, "bos", "eos", "pad", "unk", "sep", "cls", "mask", "max", "min", "num", "stop", "next", "prev", "page", "per", "first", "last", "special")
}

// isPlaceholder reports whether v only stands for a secret, or says that there is none. Strict is for values of which
// nothing but the name decides: a password may well be "secret" or "$ecret".
func isPlaceholder(v string, strict bool) bool {
	const longest = 40 // of what could be a placeholder
	if strings.Trim(v, ".*xX-_") == "" || strings.HasPrefix(v, "…") || markLength(v) == len(v) {
		return true
	}
	last := v[len(v)-1]
	switch v[0] {
	case '$':
		return len(v) > 1 && (v[1] == '{' || v[1] == '(') || isVariable(v[1:], strict)
	case '<':
		return last == '>'
	case '{':
		return last == '}'
	case '[':
		return last == ']'
	case '(':
		return last == ')'
	case '%':
		return len(v) <= len("%02d") || last == '%' || v[1] == '('
	}
	if len(v) > longest {
		return false
	}
	if !strict && isWordForSecret(strings.ToLower(v)) {
		return true
	}
	switch strings.ToLower(v) {
	case "null", "nil", "none", "true", "false", "undefined", "redacted", "hidden", "masked", "unset", "empty":
		return true
	}
	for _, p := range [...]string{"process.env.", "os.environ", "os.getenv", "secrets.", "vault:", "op://", "arn:aws:"} {
		if strings.HasPrefix(v, p) {
			return true
		}
	}
	return false
}

// isVariable reports whether name could be one of the environment's: in capital letters, when strict.
func isVariable(name string, strict bool) bool {
	if strict && name != strings.ToUpper(name) {
		return false
	}
	return word.run(name, 0, len(name)) == len(name)
}

// isWordForSecret reports what stands where a secret is described instead of given.
func isWordForSecret(v string) bool {
	switch v {
	case "string", "str", "text", "bool", "boolean", "number", "int", "bytes", "any", "required", "optional", "password", "token", "secret", "include",
		"omit", "same-origin", "bearer", "basic", "yes", "no":
		return true
	}
	return false
}
