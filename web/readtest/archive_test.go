package readtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestBrowserShowsWhatLiesInTheArchiveAndSaysWhenItIsLost(t *testing.T) {
	t.Parallel()
	at := time.Now().AddDate(0, 0, -40)
	app := apptest.Start(t) // one of its own: it is swept, harmed and started again
	r := &reader{t: t, app: app, client: app.Client(), ctx: apptest.Browser(t, "ERR_INCOMPLETE_CHUNKED", "ERR_NETWORK", "htmx:sseError", "ERR_CONNECTION", "htmx:sendError", "htmx:afterRequest")}
	app.SignIn(r.ctx, apptest.Email)
	r.write(worklog.Draft{
		Title: "Bash: make", Tool: "Bash", Type: worklog.TypeToolCall, Details: "the first line\n" + strings.Repeat("another line of output\n", 30),
		Metadata: worklog.Metadata{"exit": 0}, LoggedAt: &at,
	})
	r.app.Command("", "cleanup")
	r.open("/")
	r.do(`document.querySelector("#log-list summary").click()`)
	r.wait("the link to the archive shows", `document.querySelector(".archived a")?.textContent.includes("from the archive")`)
	r.do(`document.querySelector(".archived a").click()`)
	r.wait("details and facts came from the archive", `document.querySelector(".archived pre")?.textContent.startsWith("the first line") &&
		document.querySelector(".archived dt")?.textContent == "exit" && document.querySelector(".archived .cap").textContent.includes("from the archive")`)
	r.expect(`location.pathname`, "/")

	err := filepath.WalkDir(filepath.Join(r.app.DataDir, "archive"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.app.Restart() // what it has read it remembers
	r.open("/")
	r.do(`location.href = document.querySelector("#log-list .at").href`)
	r.wait("the page says that the payload is lost", `document.querySelector(".archived")?.textContent.includes("does not have the details")`)
	r.expect(`document.querySelector("h1").textContent.includes("make") ? "title" : ""`, "title")
	apptest.Eventually(t, "the log says which object is missing", func() bool { return strings.Contains(r.app.Logs(), "the object is not in the archive") })
}
