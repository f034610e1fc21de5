package static

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(method, path, encoding string) (*httptest.ResponseRecorder, bool) {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawPath = path, ""
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	return w, Serve(w, r)
}

func TestAFileIsServedForEverUnderItsHash(t *testing.T) {
	t.Parallel()
	w, ok := get(http.MethodGet, URL("app.css"), "")
	want, err := files.ReadFile("app.css")
	if err != nil || !ok || w.Body.String() != string(want) {
		t.Fatalf("app.css: served %v, %d of %d bytes (%v)", ok, w.Body.Len(), len(want), err)
	}
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control = %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "text/css; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestAFileIsCompressedOnlyForThoseWhoTakeIt(t *testing.T) {
	t.Parallel()
	want, _ := files.ReadFile("app.css")
	for accept, zipped := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "": false, "br": false, "gzip;q=0": false, "gzip; q=0.0": false, "xgzip": false} {
		w, _ := get(http.MethodGet, URL("app.css"), accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", accept, got, zipped)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary", accept)
		}
		if !zipped {
			continue
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || string(got) != string(want) {
			t.Errorf("Accept-Encoding %q: %d of %d bytes, %v", accept, len(got), len(want), err)
		}
	}
}

func TestAKnownFileIsNotSentAgain(t *testing.T) {
	t.Parallel()
	first, _ := get(http.MethodGet, URL("app.css"), "")
	r := httptest.NewRequest(http.MethodGet, URL("app.css"), nil)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	w := httptest.NewRecorder()
	if !Serve(w, r) || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("status %d with %d bytes, want an empty 304", w.Code, w.Body.Len())
	}
	if w, ok := get(http.MethodHead, URL("app.css"), ""); !ok || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d bytes, Content-Length %q", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

// S-13.
func TestNothingButCompletePathsIsServed_S13(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/static/", "/static", "/static//", "/static/.", "/static/..", "/static/../static.go", "/static/..%2f..%2fgo.mod", "/static/%2e%2e/go.mod", "/static/static.go", "/static/src/app.css",
		"/static/app.css", strings.Replace(URL("app.css"), "/static/", "/static//", 1), strings.Replace(URL("app.css"), "/static/", "/static/./", 1), URL("app.css") + "/", URL("no-such-file.js"),
	} {
		if w, ok := get(http.MethodGet, path, ""); ok {
			t.Errorf("%s was served with %d bytes", path, w.Body.Len())
		}
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if Serve(httptest.NewRecorder(), r) {
			t.Errorf("%s was served", path)
		}
	}
}

// One request each for style and font: nothing may be loaded from elsewhere, and nothing from inside the sheet.
func TestTheStyleSheetLoadsNothing(t *testing.T) {
	t.Parallel()
	css, _ := files.ReadFile("app.css")
	for _, word := range []string{"url(", "@import", "http:", "@font-face"} {
		if strings.Contains(string(css), word) {
			t.Errorf("app.css contains %q", word)
		}
	}
}
