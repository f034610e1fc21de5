// Package static holds the files that browsers load: built style sheet, scripts, icon. They are part of the program;
// nothing is fetched from elsewhere.
//
// Every file is served under a path that contains a hash of its content and may be cached for ever. Decision: files are
// looked up in a map of complete paths, never in a file system, so there is nothing to traverse or to list.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed *.css *.js *.svg
var files embed.FS

// Prefix is the path under which Handler serves.
const Prefix = "/static/"

// asset is one file, ready to be sent.
type asset struct {
	kind    string
	etag    string
	plain   []byte
	gzipped []byte // nil when it would not be smaller
}

// assets is every file by its complete path, and the path of every name.
type assets struct {
	byPath map[string]*asset
	urls   map[string]string
}

// all is built at the first request and never changes: the files are part of the program.
var all = sync.OnceValue(func() assets {
	a := assets{byPath: map[string]*asset{}, urls: map[string]string{}}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the program was built without its files
	}
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		a.add(e.Name(), b)
	}
	return a
})

func (a assets) add(name string, b []byte) {
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:6])
	ext := path.Ext(name)
	url := Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext
	f := &asset{kind: kindOf(ext), etag: `"` + hash + `"`, plain: b}
	if z := compress(b); len(z) < len(b) {
		f.gzipped = z
	}
	a.urls[name], a.byPath[url] = url, f
}

func kindOf(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

func compress(b []byte) []byte {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(b) // a bytes.Buffer takes everything
	_ = w.Close()
	return z.Bytes()
}

// URL returns where name is served. A name that is not embedded gets a path that answers 404.
func URL(name string) string {
	if url, ok := all().urls[name]; ok {
		return url
	}
	return Prefix + name
}

// Serve answers a GET or HEAD for one of the files, or returns false when there is no such file.
func Serve(w http.ResponseWriter, r *http.Request) bool {
	f, ok := all().byPath[r.URL.EscapedPath()]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", f.etag)
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	body := f.plain
	if f.gzipped != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		body = f.gzipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the caller is gone: nobody to tell
	}
	return true
}

// takesGzip reports whether an Accept-Encoding allows gzip.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && weight > 0
	}
	return false
}
