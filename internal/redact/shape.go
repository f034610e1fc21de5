package redact

// shape is a kind of key that its beginning gives away.
type shape struct {
	prefix string
	rest   charset
	min    int // bytes of rest, at least
	label  string
	// alone: the prefix alone says little, so it must begin a word.
	alone bool
	// exact: rest has min bytes and not one more.
	exact bool
	// mixed: rest must have digits, and a part long enough not to be a word.
	mixed bool
}

// charset is a set of bytes.
type charset uint8

const (
	alnum  charset = iota // letters and digits
	upper                 // capital letters and digits
	lowHex                // 0-9 a-f
	word                  // letters, digits, _ and -
	dotted                // word and .
)

func (s charset) has(c byte) bool {
	switch s {
	case upper:
		return c >= 'A' && c <= 'Z' || isDigit(c)
	case lowHex:
		return c >= 'a' && c <= 'f' || isDigit(c)
	case alnum:
		return isAlnum(c)
	case word:
		return isWord(c)
	}
	return isWord(c) || c == '.'
}

// run returns how many bytes of t from i on belong to the set, at most most.
func (s charset) run(t string, i, most int) int {
	n := i
	for n < len(t) && n-i < most && s.has(t[n]) {
		n++
	}
	return n - i
}

func isDigit(c byte) bool { return c-'0' <= 9 }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
func isWord(c byte) bool  { return isAlnum(c) || c == '_' || c == '-' }

// shapes is every kind of key that is known by its beginning. Where one prefix begins another, the longer one comes
// first. Lengths are below those in use, so that a key that somebody cut or shortened is found as well. It is long because it is one table.
func shapes() []shape {
	return []shape{
		{prefix: "wlg_", rest: alnum, min: 16, label: "worklog token"},

		{prefix: "AKIA", rest: upper, min: 16, label: "aws key", alone: true, exact: true},
		{prefix: "ASIA", rest: upper, min: 16, label: "aws key", alone: true, exact: true},
		{prefix: "ABIA", rest: upper, min: 16, label: "aws key", alone: true, exact: true},
		{prefix: "ACCA", rest: upper, min: 16, label: "aws key", alone: true, exact: true},
		{prefix: "ABSK", rest: alnum, min: 60, label: "aws key", alone: true},

		{prefix: "github_pat_", rest: word, min: 20, label: "github token"},
		{prefix: "ghp_", rest: alnum, min: 20, label: "github token"},
		{prefix: "gho_", rest: alnum, min: 20, label: "github token"},
		{prefix: "ghu_", rest: alnum, min: 20, label: "github token"},
		{prefix: "ghs_", rest: dotted, min: 20, label: "github token", alone: true, mixed: true},
		{prefix: "ghr_", rest: alnum, min: 20, label: "github token"},

		{prefix: "glpat-", rest: dotted, min: 16, label: "gitlab token", alone: true},
		{prefix: "gldt-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "glrt-", rest: dotted, min: 16, label: "gitlab token", alone: true},
		{prefix: "glrtr-", rest: dotted, min: 16, label: "gitlab token", alone: true},
		{prefix: "glcbt-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "glptt-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "glft-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "glimt-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "glagent-", rest: word, min: 16, label: "gitlab token", alone: true},
		{prefix: "gloas-", rest: word, min: 16, label: "gitlab token", alone: true},

		{prefix: "xoxb-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxp-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxa-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxr-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxs-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxc-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxd-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxe-", rest: word, min: 10, label: "slack token"},
		{prefix: "xoxe.xox", rest: word, min: 10, label: "slack token"},
		{prefix: "xapp-", rest: word, min: 10, label: "slack token"},

		{prefix: "sk-ant-", rest: word, min: 12, label: "anthropic key", alone: true},
		{prefix: "sk-proj-", rest: word, min: 16, label: "openai key", alone: true},
		{prefix: "sk-svcacct-", rest: word, min: 16, label: "openai key", alone: true},
		{prefix: "sk-admin-", rest: word, min: 16, label: "openai key", alone: true},
		{prefix: "sk-or-v1-", rest: lowHex, min: 20, label: "openrouter key", alone: true},
		{prefix: "sk-lf-", rest: word, min: 16, label: "langfuse key", alone: true},
		{prefix: "sk-", rest: word, min: 16, label: "openai key", alone: true, mixed: true},

		{prefix: "AIza", rest: word, min: 30, label: "google key", alone: true},
		{prefix: "ya29.", rest: dotted, min: 20, label: "google token", alone: true},
		{prefix: "GOCSPX-", rest: word, min: 16, label: "google secret"},

		{prefix: "sk_live_", rest: alnum, min: 10, label: "stripe key"},
		{prefix: "sk_test_", rest: alnum, min: 10, label: "stripe key"},
		{prefix: "rk_live_", rest: alnum, min: 10, label: "stripe key"},
		{prefix: "rk_test_", rest: alnum, min: 10, label: "stripe key"},
		{prefix: "whsec_", rest: alnum, min: 16, label: "webhook secret"},

		{prefix: "npm_", rest: alnum, min: 30, label: "npm token", alone: true},
		{prefix: "pypi-Ag", rest: word, min: 30, label: "pypi token"},
		{prefix: "rubygems_", rest: lowHex, min: 30, label: "rubygems key"},
		{prefix: "cio", rest: alnum, min: 32, label: "crates.io token", alone: true, exact: true, mixed: true},
		{prefix: "dckr_pat_", rest: word, min: 16, label: "docker token"},
		{prefix: "dckr_oat_", rest: word, min: 16, label: "docker token"},

		{prefix: "hf_", rest: alnum, min: 30, label: "hugging face token", alone: true},
		{prefix: "gsk_", rest: alnum, min: 40, label: "groq key", alone: true},
		{prefix: "xai-", rest: alnum, min: 40, label: "xai key", alone: true},
		{prefix: "pplx-", rest: alnum, min: 40, label: "perplexity key", alone: true},
		{prefix: "r8_", rest: alnum, min: 30, label: "replicate token", alone: true},
		{prefix: "tvly-", rest: word, min: 20, label: "tavily key", alone: true, mixed: true},
		{prefix: "lsv2_pt_", rest: word, min: 20, label: "langsmith key"},
		{prefix: "lsv2_sk_", rest: word, min: 20, label: "langsmith key"},

		{prefix: "dop_v1_", rest: lowHex, min: 30, label: "digitalocean token"},
		{prefix: "doo_v1_", rest: lowHex, min: 30, label: "digitalocean token"},
		{prefix: "dor_v1_", rest: lowHex, min: 30, label: "digitalocean token"},
		{prefix: "dapi", rest: lowHex, min: 32, label: "databricks token", alone: true},
		{prefix: "shpat_", rest: alnum, min: 20, label: "shopify token"},
		{prefix: "shpss_", rest: alnum, min: 20, label: "shopify secret"},
		{prefix: "shpca_", rest: alnum, min: 20, label: "shopify token"},
		{prefix: "SG.", rest: dotted, min: 40, label: "sendgrid key", alone: true, mixed: true},
		{prefix: "key-", rest: lowHex, min: 32, label: "mailgun key", alone: true, exact: true},
		{prefix: "SK", rest: lowHex, min: 32, label: "twilio key", alone: true, exact: true},
		{prefix: "hvs.", rest: word, min: 20, label: "vault token", alone: true, mixed: true},
		{prefix: "hvb.", rest: word, min: 20, label: "vault token", alone: true, mixed: true},
		{prefix: "dp.pt.", rest: alnum, min: 30, label: "doppler token"},
		{prefix: "glsa_", rest: word, min: 30, label: "grafana token"},
		{prefix: "glc_", rest: word, min: 30, label: "grafana token", alone: true},
		{prefix: "lin_api_", rest: alnum, min: 20, label: "linear key"},
		{prefix: "ntn_", rest: alnum, min: 30, label: "notion token", alone: true},
		{prefix: "PMAK-", rest: word, min: 30, label: "postman key"},
		{prefix: "NRAK-", rest: alnum, min: 20, label: "new relic key"},
		{prefix: "sntrys_", rest: word, min: 30, label: "sentry token"},
		{prefix: "sntryu_", rest: word, min: 30, label: "sentry token"},
		{prefix: "sbp_", rest: lowHex, min: 30, label: "supabase token", alone: true},
		{prefix: "sb_secret_", rest: word, min: 16, label: "supabase key"},
		{prefix: "tskey-", rest: word, min: 16, label: "tailscale key", mixed: true},
		{prefix: "ATATT3", rest: word, min: 30, label: "atlassian token"},
		{prefix: "HRKU-", rest: word, min: 30, label: "heroku key"},
		{prefix: "fo1_", rest: word, min: 30, label: "fly token", alone: true},
		{prefix: "pul-", rest: lowHex, min: 40, label: "pulumi token", alone: true},
		{prefix: "AGE-SECRET-KEY-1", rest: upper, min: 30, label: "age key"},
	}
}
