package config

import "testing"

func TestSizesAreReadWithTheirUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"1GiB": 1 << 30, "2g": 2 << 30, "512MB": 512 << 20, "1 MiB": 1 << 20, "off": 0, "1048576": 1 << 20} {
		if got := int64(-1); parseBytes(&got, text) != nil || got != want {
			t.Errorf("%q is read as %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "GiB", "1KiB", "-1GiB", "1e3GiB", "99999999999GiB", "1GiBs", "5off", "0", "1000"} {
		if got := int64(7); parseBytes(&got, text) == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}
