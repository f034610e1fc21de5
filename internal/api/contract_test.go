package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// contract is a transport that holds every answer of the server against openapi.yaml, so that each test of the API is a
// test of its description, too. It remembers which operations answered well.
type contract struct {
	t      testing.TB
	doc    *openapi3.T
	router routers.Router

	mu       sync.Mutex
	answered map[string]bool
}

func theContract(t testing.TB) *contract {
	t.Helper()
	raw, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	doc.Servers = nil // any host
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &contract{t: t, doc: doc, router: router, answered: map[string]bool{}}
}

// RoundTrip sends r and checks the answer. Streams are checked up to their headers.
func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		c.note(r, res)
		return res, err
	}
	raw, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	c.check(r, res, raw)
	c.note(r, res)
	return res, nil
}

func (c *contract) check(r *http.Request, res *http.Response, raw []byte) {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		if res.StatusCode < 400 {
			c.t.Errorf("%s %s answered %d and is not described: %v", r.Method, r.URL.Path, res.StatusCode, err)
		}
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(raw)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		c.t.Errorf("%s %s answered %d: %v\n%.500s", r.Method, r.URL.Path, res.StatusCode, err, raw)
	}
}

func (c *contract) note(r *http.Request, res *http.Response) {
	if res == nil || res.StatusCode >= 400 {
		return
	}
	if route, _, err := c.router.FindRoute(r); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answered[route.Operation.OperationID] = true
	}
}
