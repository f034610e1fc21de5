package worklog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// A step is one row for life: it is visible while it runs and completes in place.
func Example() {
	server := pretendServer()
	defer server.Close()
	ctx := context.Background()
	client := worklog.New(server.URL, "wlg_...", worklog.WithSource("my-agent"))

	step := client.Start(ctx, worklog.Draft{Title: "Run the tests", Tool: "Bash", Conversation: "session-1"})
	fmt.Fprintln(step, "ok 12 tests") // a step takes the output of a command
	step.Set("exit", 0)
	if err := step.Done(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// working "Run the tests" ""
	// success "Run the tests" "ok 12 tests\n"
}

// Working, success, warning, error and info.
func ExampleClient_Start() {
	server := pretendServer()
	defer server.Close()
	ctx := context.Background()
	client := worklog.New(server.URL, "wlg_...")

	deploy := client.Start(ctx, worklog.Draft{Title: "Deploy", Type: worklog.TypeDeployment, Conversation: "release"})
	build := deploy.Start(ctx, worklog.Draft{Title: "Build"}) // below Deploy
	_ = build.Done(ctx)
	_ = client.Info(ctx, "Two hosts are next")
	_ = deploy.Warn(ctx, "one host answered slowly")
	_ = client.Error(ctx, "Model X failed", errors.New("overloaded"))
	// Output:
	// working "Deploy" ""
	// working "Build" ""
	// success "Build" ""
	// info "Two hosts are next" ""
	// warning "Deploy" "one host answered slowly"
	// error "Model X failed" "overloaded"
}

// Append says what became of each draft.
func ExampleClient_Append() {
	server := pretendServer()
	defer server.Close()
	client := worklog.New(server.URL, "wlg_...")

	receipts, err := client.Append(context.Background(),
		worklog.Draft{Title: "Read main.go", Type: worklog.TypeFileOperation, Key: "session-1/call-7"},
		worklog.Draft{Title: "Thought for a while", Type: worklog.TypeAIResponse},
	)
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range receipts {
		fmt.Println(r.Outcome)
	}
	// Output:
	// info "Read main.go" ""
	// info "Thought for a while" ""
	// stored
	// stored
}

// With a buffer nothing waits for the server; Close sends what is left.
func ExampleWithBuffer() {
	server := pretendServer()
	defer server.Close()
	client := worklog.New(server.URL, "wlg_...", worklog.WithBuffer(1000))
	_ = client.Info(context.Background(), "hello")

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := client.Close(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(client.Buffered().Stored, "stored,", client.Buffered().Dropped, "dropped")
	// Output:
	// info "hello" ""
	// 1 stored, 0 dropped
}

// Every record of log/slog becomes an entry.
func ExampleNewHandler() {
	server := pretendServer()
	defer server.Close()
	client := worklog.New(server.URL, "wlg_...")
	log := slog.New(worklog.NewHandler(client, worklog.HandlerOptions{Conversation: "nightly"}))
	log.Warn("disk is filling up", "free", "3 GB")
	// Output:
	// warning "disk is filling up" ""
}

// Stream follows what happens and survives restarts of the server.
func ExampleClient_Stream() {
	client := worklog.New(os.Getenv("WORKLOG_URL"), os.Getenv("WORKLOG_TOKEN"))
	for entry, err := range client.Stream(context.Background(), worklog.StreamQuery{After: worklog.FromNow}) {
		if err != nil {
			fmt.Println(err) // what trying again does not mend
			break
		}
		fmt.Println(entry.Status, entry.Title)
	}
}

// pretendServer prints the drafts it gets.
func pretendServer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for line := range bytes.Lines(body) {
			d, _ := worklog.DecodeDraft(line)
			if d.Status == "" {
				d.Status = worklog.StatusInfo
			}
			fmt.Printf("%s %q %q\n", d.Status, d.Title, d.Details)
		}
		res, _ := stored(r, body)
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
}
