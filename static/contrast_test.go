package static

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// palette reads the colours of the style sheet's source: name -> light, dark.
func palette(t *testing.T) map[string][2]string {
	t.Helper()
	css, err := os.ReadFile("src/app.css")
	if err != nil {
		t.Fatal(err)
	}
	colours := map[string][2]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)`).FindAllSubmatch(css, -1) {
		colours[string(m[1])] = [2]string{string(m[2]), string(m[3])}
	}
	return colours
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 4 {
		hex = "#" + hex[1:2] + hex[1:2] + hex[2:3] + hex[2:3] + hex[3:] + hex[3:]
	}
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

// WCAG 2.2, 1.4.3 (AA): every ink on every ground it stands on, in both themes.
func TestEveryInkCanBeRead(t *testing.T) {
	t.Parallel()
	colours := palette(t)
	grounds := map[string][]string{
		"ink":     {"ground", "panel", "well", "line", "tint-accent", "tint-error", "tint-warning", "tint-success"},
		"second":  {"ground", "panel", "well", "tint-accent", "tint-error", "tint-warning"},
		"third":   {"ground", "panel", "well", "tint-accent", "tint-error"},
		"accent":  {"ground", "panel", "well", "tint-accent", "tint-error"},
		"success": {"ground", "panel", "well", "tint-success"},
		"warning": {"ground", "panel", "well", "tint-warning"},
		"magenta": {"well"},
		"cyan":    {"well"},
		"error":   {"ground", "panel", "well", "tint-error"},
		"ground":  {"ink", "error"}, // on filled buttons
	}
	for ink, list := range grounds {
		for _, ground := range list {
			for theme, name := range []string{"light", "dark"} {
				a, b := colours[ink][theme], colours[ground][theme]
				if a == "" || b == "" {
					t.Fatalf("%s or %s is not in the palette", ink, ground)
				}
				x, y := luminance(t, a), luminance(t, b)
				if ratio := (max(x, y) + 0.05) / (min(x, y) + 0.05); ratio < 4.5 {
					t.Errorf("%s on %s in the %s theme has a contrast of %.2f, want 4.5", ink, ground, name, ratio)
				}
			}
		}
	}
}
