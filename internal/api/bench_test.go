package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// BenchmarkPost is one entry per request over keep-alive connections, limits lifted, with everything behind it.
func BenchmarkPost(b *testing.B) {
	s := newServerWithLimit(b, 1<<30)
	tokens := make([]string, 50)
	for i := range tokens {
		tokens[i] = s.user(fmt.Sprintf("u%d@x.test", i))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	var n atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			body := fmt.Appendf(nil, `{"title":"Bash: npm test %d","type":"tool_call","status":"success","tool":"Bash","key":"k%d","metadata":{"exit":0}}`, i, i)
			req, err := http.NewRequest(http.MethodPost, s.url+"/api/v1/logs", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+tokens[i%50])
			res, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusCreated {
				b.Fatal(res.Status)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
