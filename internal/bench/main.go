// Command bench measures worklog against what PostgreSQL itself can do on the same machine, in the same run, and prints
// a Markdown table: `make bench`.
//
// It starts a PostgreSQL of its own (fsync on, settings of the product) and the real program, and loads it from outside
// over HTTP. Server, database and load share the machine's cores, so the load generator writes prepared bytes to plain
// connections: whatever it needs for itself is missing from what it measures. The comparisons run between the
// measurements, several times, and the medians are compared: a busy machine then slows down both sides.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the sizes of a run. The defaults are those of the figures in the README.
type options struct {
	rounds   int           // of each throughput measurement
	duration time.Duration // of one measurement
	streams  int
	idle     time.Duration // of watching idle tabs
	entries  int           // of the large conversation; twice as many are deleted
	copied   int           // rows of one COPY
	due      int           // entries that a sweep moves; as many more are fresh
	sections []string
	verbose  bool
	sync     bool // bring everything to the disks before a measurement that would meet it
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == plainCommand {
		if err := servePlain(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	only := flag.String("only", "", "comma-separated sections of "+strings.Join(sectionNames(), ", "))
	flag.IntVar(&o.rounds, "rounds", 3, "how often each throughput is measured")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "length of one measurement")
	flag.IntVar(&o.streams, "streams", 2000, "open streams")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long idle tabs are watched")
	flag.IntVar(&o.entries, "entries", 100_000, "entries of the large conversation; twice as many are deleted")
	flag.IntVar(&o.copied, "copied", 40_000, "rows of one COPY")
	flag.IntVar(&o.due, "due", 1_000_000, "entries that a sweep moves; as many more are fresh")
	flag.BoolVar(&o.verbose, "v", false, "show what the server logs")
	flag.Parse()
	o.sync = true
	if *only != "" {
		o.sections = strings.Split(*only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	results, err := run(ctx, o)
	stop()
	fmt.Print(table(results))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// section is one group of measurements.
type section struct {
	name    string
	measure func(context.Context, *site, options) ([]result, error)
}

func sections() []section {
	return []section{
		{"write", measureWrites}, {"batch", measureBatches}, {"hooks", measureHooks}, {"fanout", measureFanout}, {"idle", measureIdle}, {"page", measurePages}, {"delete", measureDeletion}, {"cleanup", measureCleanup}, {"dashboard", measureDashboard},
	}
}

func sectionNames() []string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

// run measures every wanted section on a fresh site. When a section fails it returns what has been measured until then, too.
func run(ctx context.Context, o options) (results []result, err error) {
	dir, err := os.MkdirTemp("", "worklog-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, s := range sections() {
		if len(o.sections) > 0 && !slices.Contains(o.sections, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s...\n", s.name)
		rs, err := onFreshSite(ctx, binary, o, s.measure)
		results = append(results, rs...)
		if err != nil {
			return results, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return results, nil
}

// build compiles the program into dir.
func build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "worklog")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/worklogdev/worklog/cmd/worklog").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

func onFreshSite(ctx context.Context, binary string, o options, measure func(context.Context, *site, options) ([]result, error)) ([]result, error) {
	s, err := openSite(ctx, binary, o.verbose)
	if err != nil {
		return nil, err
	}
	defer s.close()
	syscall.Sync() // what building and the making of the site have left to write would be measured, too
	return measure(ctx, s, o)
}
