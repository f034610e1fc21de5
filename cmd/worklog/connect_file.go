package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/worklogdev/worklog/internal/connect"
)

// credentials is what worklog connect notes for worklog hook, in a file that only the user can read.
type credentials struct {
	URL     string   `json:"url"`
	Token   string   `json:"token"`
	Command string   `json:"command,omitempty"` // that was written into the configuration
	Made    []string `json:"made,omitempty"`    // places in the configuration, see connect.Merge
	Created bool     `json:"created,omitempty"` // there was no configuration before
}

// written is what stands in the configuration.
func (c credentials) written() connect.Written {
	return connect.Written{Setting: connect.Setting{URL: c.URL, Token: c.Token, Command: c.Command}, Made: c.Made}
}

// credentialsPath is where the credentials of an agent are.
func (a *app) credentialsPath(agent string) string {
	return filepath.Join(a.xdg("XDG_CONFIG_HOME", ".config"), "agents", filepath.Base(agent)+".json")
}

func (a *app) credentials(agent string) (c credentials, err error) {
	raw, err := a.readFile(a.credentialsPath(agent))
	if err != nil {
		return c, fmt.Errorf("%s is not connected: %w", agent, err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("%s: %w", a.credentialsPath(agent), err)
	}
	return c, nil
}

func (a *app) saveCredentials(agent string, c credentials) error {
	if c.URL == "" {
		return a.dropCredentials(agent)
	}
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	path := a.credentialsPath(agent)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replaceFile(path, append(raw, '\n'), 0o600)
}

func (a *app) dropCredentials(agent string) error {
	if err := os.Remove(a.credentialsPath(agent)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// server is the server and the token of the environment.
func (a *app) server() (url, token string, err error) {
	if token, err = a.setting("WORKLOG_TOKEN"); err != nil {
		return "", "", err
	}
	if token == "" {
		return "", "", errors.New("set WORKLOG_TOKEN, or connect the agent with worklog connect")
	}
	if url, err = a.setting("WORKLOG_URL"); err == nil && url == "" {
		url = defaultURL
	}
	return url, token, err
}

// agentFile is the configuration of an agent.
type agentFile struct {
	path   string // where it really is
	old    []byte
	mode   fs.FileMode
	exists bool
}

// maxAgentFile bounds a configuration.
const maxAgentFile = 16 << 20

// openAgentFile reads the configuration of an agent. That there is none yet is fine.
func openAgentFile(a *app, agent string) (*agentFile, error) {
	home := a.home()
	if home == "" {
		return nil, errNoHome
	}
	path := map[string]string{
		connect.ClaudeCode: filepath.Join(orElse(a.env("CLAUDE_CONFIG_DIR"), filepath.Join(home, ".claude")), "settings.json"),
		connect.Codex:      filepath.Join(orElse(a.env("CODEX_HOME"), filepath.Join(home, ".codex")), "config.toml"),
		connect.Gemini:     filepath.Join(home, ".gemini", "settings.json"),
	}[agent]
	f := &agentFile{path: path, mode: 0o600}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		f.path = real // a link to a file that is kept elsewhere stays a link
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAgentFile {
		return nil, fmt.Errorf("%s is no configuration file", f.path)
	}
	f.mode, f.exists = info.Mode().Perm(), true
	f.old, err = os.ReadFile(f.path)
	return f, err
}

// backupSuffix marks the file as it was before worklog first changed it.
const backupSuffix = ".before-worklog"

// write replaces the file, whole or not at all. Backup keeps it beside as it was.
func (f *agentFile) write(text []byte, backup bool) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	now, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || string(now) != string(f.old) {
		return errors.Join(fmt.Errorf("%s has changed in the meantime: nothing was written", f.path), err)
	}
	if backup && f.exists {
		if err := replaceFile(f.path+backupSuffix, f.old, f.mode); err != nil {
			return err
		}
	}
	return replaceFile(f.path, text, f.mode)
}

// replaceFile writes a file under another name and renames it.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".worklog-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// secret finds tokens.
var secret = regexp.MustCompile(`wlg_[0-9A-Za-z]{6,}`)

// masked hides the tokens in a text: terminals are recorded.
func masked(text string) string {
	return secret.ReplaceAllStringFunc(text, func(s string) string { return s[:len("wlg_")+4] + "..." })
}

// difference shows what changes from one text to another: the lines between the first and the last that differ, and a
// few around them. Worklog's lines stand together, mostly.
func difference(old, text []byte) string {
	const around = 2
	a, b := strings.SplitAfter(string(old), "\n"), strings.SplitAfter(string(text), "\n")
	var out strings.Builder
	common := lines(a, b)
	i, j := 0, 0
	for n, c := range append(common, [2]int{len(a), len(b)}) {
		changed := i < c[0] || j < c[1]
		for ; i < c[0]; i++ {
			show(&out, "- ", a[i])
		}
		for ; j < c[1]; j++ {
			show(&out, "+ ", b[j])
		}
		near := changed || n+around < len(common) && changes(common, n, n+around)
		if i < len(a) && j < len(b) && near {
			show(&out, "  ", a[i])
		}
		i, j = c[0]+1, c[1]+1
	}
	return out.String()
}

func show(out *strings.Builder, sign, line string) {
	if line = strings.TrimRight(line, "\r\n"); line != "" || sign != "  " {
		out.WriteString(sign + printable(line) + "\n")
	}
}

// changes reports whether lines were added or removed between two common ones.
func changes(common [][2]int, from, to int) bool {
	return common[to][0]-common[from][0] != to-from || common[to][1]-common[from][1] != to-from
}

// maxCompared bounds the work of lines; longer files are compared from both ends only.
const maxCompared = 2000

// lines returns the longest common lines of two texts, as pairs of their numbers.
func lines(a, b []string) (common [][2]int) {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		common = append(common, [2]int{begin, begin})
		begin++
	}
	tail := 0
	for tail < len(a)-begin && tail < len(b)-begin && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	common = append(common, middle(a[begin:len(a)-tail], b[begin:len(b)-tail], begin)...)
	for n := tail; n > 0; n-- {
		common = append(common, [2]int{len(a) - n, len(b) - n})
	}
	return common
}

// middle is the longest common subsequence by the book; both texts begin at the line with the given number.
func middle(a, b []string, at int) (common [][2]int) {
	if len(a) > maxCompared || len(b) > maxCompared {
		return nil
	}
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if longest[i][j] = max(longest[i+1][j], longest[i][j+1]); a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common = append(common, [2]int{at + i, at + j})
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
