package apptest

import (
	"context"
	_ "embed"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe is axe-core (MPL 2.0), as npm run vendor copies it: tests must not need npm.
//
//go:embed axe.min.js
var axe string

// axeRun asks for what breaks the rules seriously, as one line each: the rule, how many elements, the first of them.
const axeRun = `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations
	.filter(v => v.impact === 'serious' || v.impact === 'critical')
	.map(v => v.impact + ' ' + v.id + ' (' + v.nodes.length + '): ' + v.nodes[0].html.slice(0, 200)))`

// Accessible fails the test if axe-core finds a serious or critical violation in the page that ctx shows.
func Accessible(t testing.TB, ctx context.Context) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](axe)); err != nil {
		t.Fatalf("load axe-core: %v", err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("run axe-core: %v", err)
	}
	for _, violation := range found {
		t.Errorf("accessibility: %s", violation)
	}
}
