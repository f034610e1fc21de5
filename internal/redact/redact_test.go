package redact_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/worklog"
)

// Values are put together here, so that nobody takes this file for a leak.
const (
	letters = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0cD3fG6hJ9kL2nP5rS8tU1wX4yZ7bC0eF3g"
	digits  = "4f9c0b1e7a2d8c3b5e6f4f9c0b1e7a2d8c3b5e6f4f9c0b1e7a2d8c3b5e6f0a1b"
	capital = "K7QX2MB9TZ4WP6RJ"
)

// keys is a key of every known shape, and the kind it is taken for.
func keys() map[string]string {
	return map[string]string{
		"wlg_" + letters[:36]: "worklog token", "AKIA" + capital: "aws key", "ASIA" + capital: "aws key",
		"ghp_" + letters[:36]: "github token", "gho_" + letters[:36]: "github token", "ghs_" + letters[:36]: "github token",
		"github_pat_" + letters[:22] + "_" + letters[:59]: "github token", "glpat-" + letters[:20]: "gitlab token", "glrt-" + letters[:20]: "gitlab token",
		"xoxb-" + "123456789012-1234567890123-" + letters[:24]: "slack token", "xapp-1-" + capital + "-123-" + digits: "slack token",
		"sk-ant-api03-" + letters + "-" + letters[:20] + "AA": "anthropic key", "sk-proj-" + letters + "_" + letters: "openai key", "sk-" + letters[:48]: "openai key",
		"sk-svcacct-" + letters: "openai key", "sk-or-v1-" + digits: "openrouter key",
		"AIza" + letters[:35]: "google key", "ya29." + letters + "-" + letters: "google token", "GOCSPX-" + letters[:28]: "google secret",
		"sk_live_" + letters[:24]: "stripe key", "rk_test_" + letters[:24]: "stripe key", "whsec_" + letters[:32]: "webhook secret",
		"npm_" + letters[:36]: "npm token", "pypi-AgEIcHlwaS5vcmc" + letters: "pypi token", "hf_" + letters[:34]: "hugging face token",
		"dckr_pat_" + letters[:27]: "docker token", "dop_v1_" + digits: "digitalocean token", "shpat_" + digits[:32]: "shopify token",
		"SG." + letters[:22] + "." + letters[:43]: "sendgrid key", "key-" + digits[:32]: "mailgun key", "SK" + digits[:32]: "twilio key",
		"hvs." + letters[:30]: "vault token", "dp.pt." + letters[:40]: "doppler token", "gsk_" + letters[:52]: "groq key", "r8_" + letters[:37]: "replicate token",
		"lin_api_" + letters[:40]: "linear key", "AGE-SECRET-KEY-1" + strings.Repeat(capital, 4)[:58]: "age key", "tskey-auth-" + letters[:20]: "tailscale key",
		"eyJ" + letters[:33] + ".eyJ" + letters[:40] + "." + letters[:43]: "json web token",
	}
}

func TestKeysOfEveryKnownShapeAreReplaced(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for key, kind := range keys() {
		mark := "[redacted: " + kind + "]"
		for _, frame := range []string{
			"%", "before % after", "x\n%\ny", `{"a":"%"}`, `\n%\n`, "(%)", "<%>", "'%',", "%.", "\x1b[31m%\x1b[0m", "url?a=%&b=1", "…%…", "/otlp/%/v1/logs", "q=1%0A%",
		} {
			in := strings.ReplaceAll(frame, "%0A", "\x00")
			in = strings.ReplaceAll(strings.Replace(in, "%", key, 1), "\x00", "%0A")
			want := strings.ReplaceAll(strings.Replace(strings.ReplaceAll(frame, "%0A", "\x00"), "%", mark, 1), "\x00", "%0A")
			if got, n := r.Text(in); got != want || n != 1 {
				t.Errorf("%q became %q (%d), want %q", in, got, n, want)
			}
		}
	}
}

func TestSecretsAreKnownByTheirPlace(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for in, want := range map[string]string{
		"Authorization: Bearer " + letters[:20]:                        "Authorization: Bearer [redacted: bearer token]",
		"curl -H 'authorization: bearer " + digits + "' x":             "curl -H 'authorization: bearer [redacted: bearer token]' x",
		`"Authorization":"Bearer ` + digits + `"`:                      `"Authorization":"Bearer [redacted: bearer token]"`,
		"Authorization: Basic dXNlcjpodW50ZXIy":                        "Authorization: Basic [redacted: authorization]",
		"Authorization: Basic dXNlcjpwYXNz":                            "Authorization: Basic [redacted: authorization]",
		"curl -H 'Authorization: basic YWJjOmRlZg' x":                  "curl -H 'Authorization: basic [redacted: authorization]' x",
		`{"Authorization": "Basic dXNlcjpwYXNz"}`:                      `{"Authorization": "Basic [redacted: authorization]"}`,
		`{"auths": {"ghcr.io": {"auth": "c29tZXVzZXI6aHVudGVy"}}}`:     `{"auths": {"ghcr.io": {"auth": "[redacted: credential]"}}}`,
		`{\"auth\":\"dTpodW50ZXIy\"}`:                                  `{\"auth\":\"[redacted: credential]\"}`,
		`"auth": "c29tZXVzZXI6aHVudGVy…`:                               `"auth": "[redacted: credential]…`,
		`{"password": "my password is hunter2"}`:                       `{"password": "[redacted: password]"}`,
		`{"passphrase": "keep your password is the word"}`:             `{"passphrase": "[redacted: password]"}`,
		`{"password": "i love the sea"}`:                               `{"password": "[redacted: password]"}`,
		"Authorization: token " + digits[:40]:                          "Authorization: token [redacted: authorization]",
		"postgres://app:hunter2@db:5432/x":                             "postgres://app:[redacted: password]@db:5432/x",
		"https://user:p%40ss@example.org/a?b=c":                        "https://user:[redacted: password]@example.org/a?b=c",
		"redis://:hunter2@cache:6379":                                  "redis://:[redacted: password]@cache:6379",
		"git clone https://" + digits[:40] + "@git.example":            "git clone https://[redacted: token]@git.example",
		"password=hunter2":                                             "password=[redacted: password]",
		"PASSWORD=correcthorse npm test":                               "PASSWORD=[redacted: password] npm test",
		"password=supersecret":                                         "password=[redacted: password]",
		"export PGPASSWORD='hunter two'":                               "export PGPASSWORD='hunter two'",
		"PGPASSWORD=\"hunter2\" psql":                                  "PGPASSWORD=\"[redacted: password]\" psql",
		`{"password": "correct horse battery"}`:                        `{"password": "[redacted: password]"}`,
		`{\"password\":\"hunter2\"}`:                                   `{\"password\":\"[redacted: password]\"}`,
		"db_password: hunter2\nuser: app":                              "db_password: [redacted: password]\nuser: app",
		"'password' => 'hunter2',":                                     "'password' => '[redacted: password]',",
		`cfg["secret"] = "s3cr3tvalue"`:                                `cfg["secret"] = "[redacted: secret]"`,
		`token := "abcd1234efgh"`:                                      `token := "[redacted: token]"`,
		"mysql --password hunter -h db":                                "mysql --password [redacted: password] -h db",
		"login --token correcthorse":                                   "login --token [redacted: token]",
		"login --token correcthorse | tee log":                         "login --token [redacted: token] | tee log",
		"sh -c 'login --password hunter'":                              "sh -c 'login --password [redacted: password]'",
		"mysql --password=hunter2 db":                                  "mysql --password=[redacted: password] db",
		"login --token abc123def456 --verbose":                         "login --token [redacted: token] --verbose",
		"AWS_SECRET_ACCESS_KEY=" + letters[:40]:                        "AWS_SECRET_ACCESS_KEY=[redacted: key]",
		"X-Api-Key: " + digits[:32]:                                    "X-Api-Key: [redacted: key]",
		"x?access_token=" + digits[:20] + "&page=2":                    "x?access_token=[redacted: token]&page=2",
		"DefaultEndpoints;AccountKey=" + letters + "==;x=y":            "DefaultEndpoints;AccountKey=[redacted: key];x=y",
		"Cookie: session=abcdef; theme=dark\nHost: x":                  "Cookie: [redacted: cookie]\nHost: x",
		"Set-Cookie: sid=abcdef123; Path=/; HttpOnly":                  "Set-Cookie: [redacted: cookie]",
		"X-Amz-Signature=" + digits:                                    "X-Amz-Signature=[redacted: signature]",
		"//registry/:_authToken=" + "npm_" + letters[:36]:              "//registry/:_authToken=[redacted: npm token]",
		"//registry/:_auth=dXNlcjpodW50ZXIy":                           "//registry/:_auth=[redacted: credential]",
		"GITHUB_TOKEN=ghp_" + letters[:36]:                             "GITHUB_TOKEN=[redacted: github token]",
		"https://hooks.slack.com/services/T0/B0/" + letters[:24]:       "https://hooks.slack.com/services/T0/B0/[redacted: slack webhook]",
		"https://api.telegram.org/bot123456789:AA" + letters[:33]:      "https://api.telegram.org/bot123456789:[redacted: telegram token]",
		"http://127.0.0.1:8080/enter/" + letters[:43]:                  "http://127.0.0.1:8080/enter/[redacted: one-time link]",
		"https://x-access-token:ghs_" + letters[:36] + "@github.com/a": "https://x-access-token:[redacted: github token]@github.com/a",
		"https://ghp_" + letters[:36] + ":x-oauth-basic@github.com":    "https://[redacted: github token]:[redacted: password]@github.com",
	} {
		if got, _ := r.Text(in); got != want {
			t.Errorf("%q\nbecame %q\nwant   %q", in, got, want)
		}
	}
}

func pem(kind, newline string) string {
	line := strings.Repeat(letters, 2)[:64]
	return "-----BEGIN " + kind + "-----" + newline + line + newline + line + newline + "AB==" + newline + "-----END " + kind + "-----"
}

func TestPrivateKeysAreReplacedWhole(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for _, kind := range []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"} {
		for _, newline := range []string{"\n", "\r\n", `\n`, "\n+", "\n   12→", "\" +\n\t\""} {
			if got, n := r.Text("a " + pem(kind, newline) + " b"); got != "a [redacted: private key] b" || n != 1 {
				t.Errorf("%s with %q became %q (%d)", kind, newline, got, n)
			}
		}
	}
	for _, newline := range []string{"\n", "\r\n", `\n`, `\\n`, "\n+", "\n   12→", "\" +\n\t\""} {
		for _, headers := range []string{"Version: OpenPGP.js v4.10.9%Comment: https://openpgpjs.org%%", "Version: GnuPG v1.4.12 (GNU/Linux)%%", "Proc-Type: 4,ENCRYPTED%DEK-Info: AES-128-CBC,0123456789ABCDEF%%"} {
			text := strings.Replace(pem("PGP PRIVATE KEY BLOCK", newline), "-----"+newline, "-----"+newline+strings.ReplaceAll(headers, "%", newline), 1)
			if got, n := r.Text("a " + text + " b"); got != "a [redacted: private key] b" || n != 1 {
				t.Errorf("%q with %q became %q (%d)", headers, newline, got, n)
			}
		}
	}
	whole := pem("PRIVATE KEY", "\n")
	for _, end := range []int{40, 60, 100, 150} {
		if got, _ := r.Text(whole[:end] + "\n[cut here: 999 bytes in all]"); got != "[redacted: private key]\n[cut here: 999 bytes in all]" {
			t.Errorf("a key cut after %d bytes became %q", end, got)
		}
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for _, s := range []string{
		"commit 4f9c0b1e7a2d8c3b5e6f4f9c0b1e7a2d8c3b5e6f", "sha256:" + digits, "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f", "toolu_01" + letters[:22], "call_" + letters[:24],
		"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA" + letters + "+/" + letters + "==", "integrity sha512-" + letters + letters[:22] + "==", "req_" + letters[:24],
		pem("CERTIFICATE", "\n"), pem("PUBLIC KEY", "\n"), `if strings.Contains(s, "-----BEGIN RSA PRIVATE KEY-----") { return "-----END RSA PRIVATE KEY-----" }`,
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA" + letters[:40], "token=$TOKEN", "token=${TOKEN}", "Authorization: Bearer $WORKLOG_TOKEN", "Authorization: Bearer <token>",
		"password: ********", "password=", "password: string", "password: str, user: str", "token: Token,", "const token = await getToken()", "token = self.token", "token := next(r)",
		"secret: ${{ secrets.DEPLOY_KEY }}", "api_key=os.environ[\"API_KEY\"]", "process.env.API_KEY", "apiKey: process.env.OPENAI_API_KEY", "login(user=user, password=password)",
		"max_tokens: 4096", "input_tokens=31200000, output_tokens=12345678", "eos_token: \"</s>\"", "PWD=/home/user/project", "--password <password>", "--token string   the token to use",
		"use --password to set one", "--password wrong again", "--token expired since noon", "the password is required", "Password: required", "primary_key=12345678", "foreign_key: users_12345", "monkey=banana123", "author: somebody12",
		"basic auth", "Bearer tokens are sent in a header", "sk-fading-circle-container", "task-1234567890abcdef1234", "sk-learn-2", "weighs_and_other_words_of_some_length", "tests pass: 1234567",
		"http://localhost:8080/a", "http://[::1]:8080/", "mailto:a@b.example", "git@github.com:a/b.git", "https://user@host/", "https://${USER}:${PASS}@host/", "https://x:***@host",
		"if password == \"secret\" {", "cookie: the thing", "fetch(u, {credentials: 'include'})", "a::b::c", "12:30:45", "key: value12345", "eyJ is how they begin", "Cookie: $COOKIE",
		"token type: bearer", "\"token_type\":\"bearer\",\"expires_in\":3600", "worklog_session is the cookie", "password.go:12: undefined: x", "token.ts(12,5): error TS2304", "hash := sha256.Sum256(token)",
		"Authorization: Basic authentication", "Authorization: Basic credentials", "Authorization: Basic realm", `{"auth": "required"}`, `{"auth": "authenticated"}`, `{"auth": "c29tZXVzZXI="}`, "auth: dXNlcjpwYXNz",
		`"forgot_password": "Forgot your password?"`, `{"password":"is too short (minimum is 8 characters)"}`, `{"token":"is invalid or has expired"}`, `{"api_key": "Your key, as the page shows it"}`,
		`{"password": "is too short (minimum is %{count} characters)"}`, `{"password_confirmation_password": "doesn't match the password"}`, `"password": "can't be blank"`, `{"secret": "Keep it to yourself"}`,
		`"old_password": "Mot de passe actuel"`, `"change_password": "Passwort ändern"`, `{"password": "Choose something long that nobody guesses."}`, `"password": "must have {{min}} to 64 charact…`,
		strings.Repeat("-", 300), "-----BEGIN", "npm_config_registry_url=https://registry.example", "SKIPPED " + capital, "useKey-handler-with-a-long-name",
	} {
		if got, n := r.Text(s); got != s || n != 0 {
			t.Errorf("%q became %q (%d)", s, got, n)
		}
	}
}

func TestControlCodesHideNothing(t *testing.T) {
	t.Parallel()
	r := redact.New()
	key := "ghp_" + letters[:36]
	for _, code := range []string{"\x1b[31m", "\x1b[01;31m\x1b[K", "\x1b(B\x1b[m", "\x1b]0;title\a", "\x1b]8;;http://x\x1b\\", "\x00", "\b", "\u200b", "\u00ad", "\ufeff", "\u202e", "\xff", "\x1b", "\u009b"} {
		for _, at := range []int{0, 2, 4, 20, len(key)} {
			in := "\x1b[1mkey:\x1b[0m " + key[:at] + code + key[at:] + " \x1b[32mok\x1b[0m"
			got, n := r.Text(in)
			if n != 1 || strings.Contains(got, letters[25:30]) || strings.Contains(got, letters[5:10]) {
				t.Errorf("%q at %d: %q (%d)", code, at, got, n)
			}
			if !strings.HasPrefix(got, "\x1b[1mkey:\x1b[0m ") || !strings.HasSuffix(got, " \x1b[32mok\x1b[0m") {
				t.Errorf("%q at %d: the colours around it became %q", code, at, got)
			}
		}
	}
	if got, n := r.Text("\x1b]8;;https://a:hunter2@host/\x1b\\link\x1b]8;;\x1b\\"); n != 1 || got != "\x1b]8;;https://a:[redacted: password]@host/\x1b\\link\x1b]8;;\x1b\\" {
		t.Errorf("a link became %q (%d)", got, n)
	}
}

// Somebody else cut the text before it came here: a title, or details at their bound.
func TestACutKeyIsFound(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for _, key := range []string{"ghp_" + letters[:8], "sk-ant-" + letters[:6], "AKIA" + capital[:6], "Bearer " + letters[:6]} {
		for _, end := range []string{"…", "\n[cut here: 300000 bytes in all]"} {
			if got, n := r.Text("Bash: curl " + key + end); n != 1 || strings.Contains(got, letters[:6]) || strings.Contains(got, capital[:6]) || !strings.HasSuffix(got, end) {
				t.Errorf("%q became %q", key+end, got)
			}
		}
	}
}

func TestValuesUnderSecretNamesAreReplaced(t *testing.T) {
	t.Parallel()
	m := worklog.Metadata{
		"password": "hunter two", "api_key": "abc", "token": json.Number("123456"), "cwd": "/src", "input_tokens": json.Number("5000"), "n": json.Number("7"),
		"nested": map[string]any{"dbPassword": "$ecret", "list": []any{map[string]any{"Authorization": "Bearer abc"}, "plain"}}, "secrets": map[string]any{"a": "b", "on": true},
		"empty_secret": "", "session_id": "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f", "command": "curl -H 'X-Api-Key: " + digits[:32] + "'", "env": map[string]any{"TOKEN": "$TOKEN"},
		"usage": map[string]any{"token": map[string]any{"input": json.Number("312")}}, "set-cookie": []any{"a=b", "c=d"},
	}
	before := maps.Clone(m)
	d := worklog.Draft{Title: "x", Metadata: m}
	if n := redact.New().Draft(&d); n != 9 {
		t.Errorf("%d values, want 9", n)
	}
	want := worklog.Metadata{
		"password": "[redacted: password]", "api_key": "[redacted: key]", "token": "[redacted: token]", "cwd": "/src", "input_tokens": json.Number("5000"), "n": json.Number("7"),
		"nested":  map[string]any{"dbPassword": "[redacted: password]", "list": []any{map[string]any{"Authorization": "[redacted: authorization]"}, "plain"}},
		"secrets": map[string]any{"a": "[redacted: secret]", "on": true}, "empty_secret": "", "session_id": "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f",
		"command": "curl -H 'X-Api-Key: [redacted: key]'", "env": map[string]any{"TOKEN": "$TOKEN"}, "usage": map[string]any{"token": map[string]any{"input": json.Number("312")}},
		"set-cookie": []any{"[redacted: cookie]", "[redacted: cookie]"},
	}
	if !reflect.DeepEqual(d.Metadata, want) {
		t.Errorf("metadata became\n%v, want\n%v", d.Metadata, want)
	}
	if !reflect.DeepEqual(m, before) {
		t.Error("the caller's metadata changed")
	}
}

func TestEveryFieldIsSearched(t *testing.T) {
	t.Parallel()
	secret := "ghp_" + letters[:36]
	full := func(s string) worklog.Draft {
		return worklog.Draft{
			Title: s, Tool: s, Details: s, Source: s, ConversationTitle: s, Conversation: s, Key: s, Parent: s + "p", Metadata: worklog.Metadata{"a": s, "k" + s: "v"},
		}
	}
	r := redact.New()
	d := full("x " + secret)
	if n := r.Draft(&d); n != 9 {
		t.Errorf("%d secrets, want 9", n)
	}
	d.Details, _ = r.Text(d.Details)
	raw, _ := json.Marshal(d)
	if strings.Contains(string(raw), secret[:12]) {
		t.Errorf("something is left: %s", raw)
	}
	again := d
	if n := r.Draft(&again); n != 0 || !reflect.DeepEqual(again, d) {
		t.Errorf("the second time finds %d more", n)
	}
}

func TestNamesStayTheSameAndApart(t *testing.T) {
	t.Parallel()
	r := redact.New()
	one, other := "s/ghp_"+letters[:36], "s/ghp_"+letters[1:37]
	if again := redact.New(); r.Name(one) != again.Name(one) || r.Name(one) == r.Name(other) || strings.Contains(r.Name(one), letters[:8]) {
		t.Errorf("names became %q, %q", r.Name(one), r.Name(other))
	}
	if got := r.Name("0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f/toolu_01abcd"); got != "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f/toolu_01abcd" {
		t.Errorf("an ordinary key became %q", got)
	}
	long := r.Name(strings.Repeat("password=abc1 ", 14))
	if len(long) > worklog.MaxKeyChars || !strings.HasPrefix(long, redact.Mark) {
		t.Errorf("a key full of secrets became %q", long)
	}
}

func TestMarksAreCounted(t *testing.T) {
	t.Parallel()
	e := worklog.Entry{
		Title: "[redacted: a] [redacted: b]", Details: "[redacted: c]", Metadata: worklog.Metadata{"x": []any{map[string]any{"y": "[redacted: d]"}}, "[redacted: e f]": true},
	}
	if n := redact.Marks(&e); n != 5 {
		t.Errorf("%d marks, want 5", n)
	}
}
