package apptest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAccessibleFindsWhatScreenReadersCanNotName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`<main><h1>Good</h1><button>Named</button></main>`:   "",
		`<main><h1>Bad</h1><button></button></main>`:         "button-name",
		`<main><h1>Bad</h1><p style="color:#ccc">pale</p>`:   "color-contrast",
		`<main><h1>Bad</h1><img src="data:,"><input></main>`: "image-alt",
	} {
		r := &recorder{TB: t}
		ctx := Browser(t, "data:,")
		page := "data:text/html," + url.PathEscape(`<!doctype html><html lang="en"><title>t</title>`+body)
		if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
			t.Fatal(err)
		}
		Accessible(r, ctx)
		got := strings.Join(r.errors, "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
