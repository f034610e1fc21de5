package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/worklogdev/worklog"

// rooms says what each package may import beyond the standard library; "~" stands for the module. A package that is
// not here must be given a room first. It is long because it is one table.
func rooms() map[string][]string {
	return map[string][]string{
		// The public package: whoever imports it gets nothing else.
		"~/worklog": {},

		"~/migrations": {},
		"~/static":     {},

		"~/internal/ansi":   {},
		"~/internal/redact": {"~/worklog", "~/internal/ansi"},

		"~/internal/account": {
			"~/worklog", "github.com/alexedwards/argon2id", "github.com/google/uuid", "golang.org/x/text/unicode/norm", "golang.org/x/time/rate",
		},
		"~/internal/archive":  {"~/worklog", "~/internal/store", "github.com/google/uuid", "github.com/klauspost/compress", "github.com/minio/minio-go/v7", "golang.org/x/sync/semaphore"},
		"~/internal/change":   {"~/worklog", "~/internal/redact"},
		"~/internal/config":   {},
		"~/internal/erasure":  {"~/worklog", "~/internal/ledger", "~/internal/store"},
		"~/internal/export":   {"~/worklog", "~/internal/account", "~/internal/store"},
		"~/internal/hub":      {"~/worklog"},
		"~/internal/ledger":   {},
		"~/internal/limit":    {"~/worklog"},
		"~/internal/postgres": {},
		"~/internal/problem":  {"~/worklog"},
		"~/internal/rollup":   {"~/worklog", "~/internal/change"},
		"~/internal/sse":      {},

		"~/internal/backup":    {"~/internal/archive", "~/internal/ledger", "~/internal/store", "github.com/klauspost/compress"},
		"~/internal/retention": {"~/worklog", "~/internal/archive", "~/internal/store"},
		// The only one that knows Bun and SQL.
		"~/internal/store": {
			"~/worklog", "~/migrations", "~/internal/account", "~/internal/change", "~/internal/rollup",
			"github.com/google/uuid", "github.com/jackc/pgx/v5", "github.com/klauspost/compress", "github.com/uptrace/bun",
		},
		// The store's types of a batch; the store itself and the hub come through interfaces of its own.
		"~/internal/ingest": {
			"~/worklog", "~/internal/account", "~/internal/change", "~/internal/limit", "~/internal/redact", "~/internal/store", "github.com/google/uuid",
		},
		"~/internal/api": {
			"~/worklog", "~/internal/account", "~/internal/archive", "~/internal/retention", "~/internal/adapter/otlp", "~/internal/hookdoor", "~/internal/hub", "~/internal/ingest", "~/internal/mcpdoor", "~/internal/problem", "~/internal/rollup", "~/internal/sse",
			"~/internal/store", "github.com/google/uuid", "github.com/labstack/echo/v4", "golang.org/x/sync/semaphore",
		},
		"~/internal/mcpdoor": {
			"~/worklog", "~/internal/account", "~/internal/ingest", "~/internal/store", "github.com/google/uuid", "github.com/modelcontextprotocol/go-sdk",
		},
		"~/internal/hookdoor": {
			"~/worklog", "~/internal/account", "~/internal/adapter/hook", "~/internal/ingest", "~/internal/spool", "~/internal/store", "github.com/google/uuid",
		},
		"~/internal/connect": {"github.com/BurntSushi/toml"},
		"~/internal/outbox":  {"~/internal/spool"},
		"~/internal/spool":   {},
		// The agents' formats. What one door calls a step, the others must call the same: that is what agent is for.
		"~/internal/adapter/agent":      {"~/worklog"},
		"~/internal/adapter/hook":       {"~/worklog", "~/internal/adapter/agent"},
		"~/internal/adapter/transcript": {"~/worklog", "~/internal/adapter/agent", "github.com/klauspost/compress"},
		"~/internal/adapter/otlp":       {"~/worklog", "~/internal/adapter/agent", "~/internal/adapter/otlp/wire"},
		"~/internal/adapter/otlp/wire":  {"~/worklog", "go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"}, // no gRPC
		"~/internal/demo":               {"~/worklog", "golang.org/x/sync/errgroup"},                                   // a program like any other that uses worklog

		"~/web/view": {"~/worklog", "~/internal/ansi", "github.com/a-h/templ"}, // pure: no store, no request, no viewer
		"~/web": {
			"~/worklog", "~/static", "~/web/view", "~/internal/account", "~/internal/api", "~/internal/archive", "~/internal/connect", "~/internal/retention", "~/internal/config", "~/internal/export", "~/internal/hookdoor", "~/internal/hub",
			"~/internal/ingest", "~/internal/problem", "~/internal/rollup", "~/internal/sse", "~/internal/store",
			"github.com/a-h/templ", "github.com/alexedwards/scs/v2", "github.com/google/uuid", "github.com/labstack/echo/v4",
		},
		"~/cmd/worklog": {
			"~/worklog", "~/web", "~/internal", "github.com/alecthomas/kong", "github.com/prometheus/client_golang",
			"golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term",
		},

		// Not part of the product.
		"~/internal/archtest":        {},
		"~/internal/store/storetest": {"~/internal/postgres", "~/internal/store", "github.com/jackc/pgx/v5"},
		"~/internal/apptest": {
			"~/worklog", "~/internal/account", "~/internal/store/storetest",
			"github.com/andybalholm/cascadia", "github.com/chromedp", "golang.org/x/net/html",
		},
		"~/internal/faulttest":  {},
		"~/internal/exporttest": {},
		"~/web/livetest":        {},
		"~/web/readtest":        {},
		"~/internal/replay":     {},
		"~/internal/bench": {
			"~/worklog", "~/internal/account", "~/internal/postgres", "~/internal/rollup", "~/internal/store",
			"github.com/google/uuid", "github.com/jackc/pgx/v5", "golang.org/x/sync/errgroup",
		},
	}
}

// testHelpers are for tests alone: their weight must not end up in the program.
func testHelpers() []string {
	return []string{"~/internal/apptest", "~/internal/store/storetest", "~/internal/archtest"}
}

// listed is what go list says about a package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short writes an import path with "~" for the module.
func short(path string) string {
	if rest, ok := strings.CutPrefix(path, module); ok && (rest == "" || rest[0] == '/') {
		return "~" + rest
	}
	return path
}

func fromStandardLibrary(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != "~" && !strings.Contains(first, ".")
}

// within reports whether path is one of roots or lies below one.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
}

func TestPackagesImportOnlyWhatTheirRoomAllows(t *testing.T) {
	t.Parallel()
	table := rooms()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		allowed, ok := table[name]
		if !ok {
			t.Errorf("%s has no room: say in this file what it may import", name)
			continue
		}
		for _, path := range p.Imports {
			path = short(path)
			switch {
			case fromStandardLibrary(path):
			case !within(path, allowed):
				t.Errorf("%s must not import %s", name, path)
			case within(path, testHelpers()) && !within(name, testHelpers()):
				t.Errorf("%s must not import %s: it is for tests", name, path)
			}
		}
	}
}

func TestTableOfRoomsIsCurrent(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range packages(t) {
		names = append(names, short(p.ImportPath))
	}
	for name := range rooms() {
		if !slices.Contains(names, name) {
			t.Errorf("%s has a room and does not exist", name)
		}
	}
}

func TestOnlyTheStoreKnowsBun(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if short(p.ImportPath) == "~/internal/store" {
			continue
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if within(path, []string{"github.com/uptrace/bun"}) {
				t.Errorf("%s must not import %s, not in a test either", short(p.ImportPath), path)
			}
		}
	}
}
