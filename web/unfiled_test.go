package web

import (
	"net/url"
	"testing"

	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/worklog"
)

// unfiledPage is where a page of what is unfiled, which is read now, asks and streams.
func (x *site) unfiledPage() (query string) {
	doc := x.see("/unfiled")
	return "?after=" + attr(doc, "#log-list", "data-cursor") + "&epoch=" + url.QueryEscape(attr(doc, "#log-list", "data-epoch"))
}

func TestPagesOfWhatIsUnfiledAreLoadedAgainWhenADeletionIsFinished(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	hear(t, x.store, x.server)
	x.write(worklog.Draft{Title: "kept", Conversation: "c"}, worklog.Draft{Title: "unfiled"})
	if err := x.store.DeleteConversation(x.ctx, x.user.ID, x.conversation("c")); err != nil {
		t.Fatal(err)
	}
	before, others := x.unfiledPage(), x.listen("/stream?after=3")
	open := x.listen("/unfiled/stream" + before + "&tab=a.0")
	others.want("hello")
	open.want("hello")
	if err := x.store.FinishDeletions(x.ctx); err != nil {
		t.Fatal(err)
	}
	open.want("reset")
	x.listen("/unfiled/stream" + before + "&tab=b.0").want("reset") // it was away
	if attr(x.poll("/unfiled/changes"+before), "#live[data-reset]", "id") == "" {
		t.Error("a page that asks is not told")
	}
	after := x.unfiledPage()
	x.listen("/unfiled/stream" + after + "&tab=c.0").want("hello")
	doc := x.poll("/unfiled/changes" + after)
	if attr(doc, "#live[data-reset]", "id") != "" {
		t.Error("a page that was loaded since is told to load again")
	}
	if doc = x.poll(attr(doc, "#live", "hx-get")); attr(doc, "#live[data-reset]", "id") != "" || attr(doc, "#live", "data-cursor") != "3" {
		t.Error("the next question is not understood")
	}
	x.news(worklog.Draft{Title: "on"})
	others.want("log") // they go on
}

func TestPagesOfWhatIsUnfiledAreLoadedAgainOnceAfterARestart(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "unfiled"})
	before := x.unfiledPage()
	h := hub.New(silent{}, hub.Options{})
	x.server = New(Deps{Store: x.store, Hub: h, API: api.New(api.Deps{Store: x.store, Hub: h}), Version: "1.0.0"})
	if attr(x.poll("/unfiled/changes"+before), "#live[data-reset]", "id") == "" {
		t.Error("a page from before a restart, during which a deletion may have been finished, goes on")
	}
	if attr(x.poll("/unfiled/changes"+x.unfiledPage()), "#live[data-reset]", "id") != "" {
		t.Error("a page that was loaded since is told to load again")
	}
}
