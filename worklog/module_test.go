package worklog_test

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A program of another module, as a user of the package writes it.
const outsider = `package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func main() {
	c := worklog.New("http://127.0.0.1:1", "wlg_x", worklog.WithTimeout(time.Millisecond), worklog.WithBuffer(10))
	ctx := context.Background()
	log := slog.New(worklog.NewHandler(c, worklog.HandlerOptions{}))
	log.Info("hello")
	step := c.Start(ctx, worklog.Draft{Title: "x", Type: worklog.TypeToolCall, Metadata: worklog.Metadata{"a": 1}})
	_ = step.Done(ctx)
	_ = c.Close(ctx)
	var e *worklog.Error = worklog.Errorf(worklog.CodeInvalid, "an external program")
	var entries []worklog.Entry
	fmt.Println(e, len(entries), worklog.Statuses()[0], c.Buffered().Dropped)
}
`

func TestAnotherModuleCanUseThePackage(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := "module example.org/outsider\n\ngo 1.26\n\nrequire github.com/worklogdev/worklog v0.0.0\n\nreplace github.com/worklogdev/worklog => " + strconv.Quote(root) + "\n"
	for name, text := range map[string]string{"go.mod": mod, "main.go": outsider} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off") // the package needs nothing that is not here
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "an external program 0 working 3\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestThePackageNeedsTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if first, _, _ := strings.Cut(strings.Trim(i.Path.Value, `"`), "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
