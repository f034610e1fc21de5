package transcript

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func packed(t testing.TB, text []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestACompressedFileHasTheLinesOfThePlainOne(t *testing.T) {
	t.Parallel()
	whole := packed(t, []byte(codexText))
	for name, c := range map[string]struct {
		raw  []byte
		want string
		bad  bool
	}{
		"plain": {[]byte(codexText), codexText, false}, "short": {[]byte("x"), "x", false}, "empty": {nil, "", false}, "packed": {whole, codexText, false},
		"in two frames": {append(packed(t, []byte("a\n")), packed(t, []byte("b\n"))...), "a\nb\n", false},
		"cut":           {whole[:len(whole)-8], "", true}, "damaged": {append([]byte(zstdMagic), "nonsense"...), "", true},
		"too wide": {packed(t, []byte(strings.Repeat(codexText, 40_000)), zstd.WithWindowSize(64<<20)), "", true},
	} {
		r, release := Lines(bytes.NewReader(c.raw))
		text, err := io.ReadAll(r)
		release()
		if bad := err != nil; bad != c.bad || !bad && string(text) != c.want || errors.Is(err, io.EOF) {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if got := PlainName("rollout-1.jsonl.zst"); got != "rollout-1.jsonl" {
		t.Error(got)
	}
}

func FuzzCompressedFilesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(codexText))
	f.Add(packed(f, []byte(codexText)))
	f.Add([]byte(zstdMagic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, release := Lines(bytes.NewReader(raw))
		defer release()
		n, err := io.CopyN(io.Discard, r, 1<<20)
		if !bytes.HasPrefix(raw, []byte(zstdMagic)) && n != min(int64(len(raw)), 1<<20) {
			t.Errorf("%d of %d bytes, %v", n, len(raw), err)
		}
	})
}
