package main

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/web"
)

// metrics is the registry behind /metrics. What the parts count themselves is read when somebody asks.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	streams  *prometheus.CounterVec
}

func newMetrics(p *program) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "worklog_http_request_duration_seconds", Help: "Answered requests by route, without streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"method", "route", "status"}),
		streams: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "worklog_http_streams_total", Help: "Requests for streams, by route."}, []string{"route"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests, m.streams, &partsCollector{p})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) observe(o web.Observation) {
	if o.Stream {
		m.streams.WithLabelValues(o.Route).Inc()
		return
	}
	m.requests.WithLabelValues(o.Method, o.Route, strconv.Itoa(o.Status)).Observe(o.Took.Seconds())
}

// partsCollector reads the figures of hub, write path and limiter.
type partsCollector struct{ p *program }

// Describe sends nothing: the set of metrics is found by collecting once.
func (c *partsCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect reads every part once.
func (c *partsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, v)
	}
	counter := func(name, help, label, value string, v float64) {
		var names, values []string
		if label != "" {
			names, values = []string{label}, []string{value}
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), prometheus.CounterValue, v, values...)
	}
	in := c.p.ingest.Snapshot()
	const drafts, draftsHelp = "worklog_drafts_total", "Drafts by what became of them."
	counter(drafts, draftsHelp, "outcome", "stored", float64(in.Counts.Stored))
	counter(drafts, draftsHelp, "outcome", "updated", float64(in.Counts.Updated))
	counter(drafts, draftsHelp, "outcome", "unchanged", float64(in.Counts.Unchanged))
	counter(drafts, draftsHelp, "outcome", "merged", float64(in.Counts.Merged))
	counter(drafts, draftsHelp, "outcome", "limited", float64(in.Counts.Limited))
	counter(drafts, draftsHelp, "outcome", "invalid", float64(in.Counts.Invalid))
	counter("worklog_skipped_records_total", "Records of telemetry that say nothing an entry could show.", "", "", float64(in.Skipped))
	counter("worklog_batches_total", "Group commits by result.", "result", "committed", float64(in.Batches))
	counter("worklog_batches_total", "Group commits by result.", "result", "failed", float64(in.Failed))
	counter("worklog_batch_writes_total", "Writes in committed batches.", "", "", float64(in.Writes))
	counter("worklog_batch_seconds_total", "Time spent in committed batches.", "", "", in.Seconds)
	counter("worklog_redacted_total", "Secrets replaced in drafts.", "", "", float64(in.Redacted))
	gauge("worklog_queued_drafts", "Drafts that wait for their commit.", float64(in.Queued))
	counter("worklog_database_queries_total", "Statements sent to PostgreSQL.", "", "", float64(c.p.store.Queries()))
	c.hub(ch, gauge, counter)
	c.hooks(gauge, counter)
	room := c.p.room.shown()
	gauge("worklog_disk_scarce", "1 while the disk is nearly full and details of entries are cut.", truth(room.Database.Scarce))
	gauge("worklog_archive_disk_scarce", "1 while the disk of the archive is nearly full.", truth(room.Archive.Scarce))
	size := c.p.limiter.Size()
	gauge("worklog_limiter_windows", "Users and tokens with places taken.", float64(size.Windows))
}

// truth is how Prometheus counts it.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *partsCollector) hooks(gauge func(name, help string, v float64), counter func(name, help, label, value string, v float64)) {
	h := c.p.hooks.Stats()
	gauge("worklog_hook_database_away", "1 while hooks are spooled because the database is away.", truth(!h.AwaySince.IsZero()))
	gauge("worklog_hook_spool_events", "Hooks that wait in the spool.", float64(h.Pending))
	gauge("worklog_hook_spool_bytes", "Size of the spool of hooks.", float64(h.Bytes))
	gauge("worklog_hook_spool_max_bytes", "Bound of the spool of hooks.", float64(h.MaxBytes))
	const name, help = "worklog_hooks_spooled_total", "Spooled hooks by what became of them."
	counter(name, help, "outcome", "spooled", float64(h.Spooled))
	counter(name, help, "outcome", "replayed", float64(h.Replayed))
	counter(name, help, "outcome", "revoked", float64(h.Revoked))
	counter(name, help, "outcome", "failed", float64(h.Failed))
	counter(name, help, "outcome", "refused", float64(h.Refused))
	counter(name, help, "outcome", "damaged", float64(h.Damaged))
}

func (c *partsCollector) hub(ch chan<- prometheus.Metric, gauge func(name, help string, v float64), counter func(name, help, label, value string, v float64)) {
	h := c.p.hub.Stats()
	gauge("worklog_tabs_open", "Open streams.", float64(h.Open))
	gauge("worklog_tab_users", "Users with an open stream.", float64(h.Users))
	gauge("worklog_tabs_busiest_session", "Open streams of the session that has most.", float64(h.Busiest))
	gauge("worklog_feeds_watched", "Owners whose feed is watched.", float64(h.Feeds))
	gauge("worklog_tab_oldest_seconds", "Age of the oldest open stream.", h.Oldest.Seconds())
	counter("worklog_tabs_opened_total", "Streams opened.", "", "", float64(h.Opened))
	counter("worklog_tabs_refused_total", "Streams refused.", "", "", float64(h.Refused))
	for end, n := range h.Ended {
		counter("worklog_tabs_ended_total", "Streams ended, by reason.", "reason", end.String(), float64(n))
	}
	counter("worklog_frames_sent_total", "Frames sent.", "", "", float64(h.Frames))
	counter("worklog_frame_bytes_sent_total", "Bytes of frames sent.", "", "", float64(h.Bytes))
	counter("worklog_frames_replayed_total", "Frames that streams took from the database.", "", "", float64(h.Replayed))
	counter("worklog_feed_failures_total", "Reads of watched feeds that failed and were tried again.", "", "", float64(h.Failed))
	ch <- latencyOf(h.Latency)
}

// latencyOf is a histogram of the hub's as Prometheus counts: every bucket holds the ones below it, too.
func latencyOf(l hub.Histogram) prometheus.Metric {
	buckets, count := make(map[float64]uint64, len(l.Bounds)), uint64(0)
	for i, n := range l.Counts {
		count += n
		if i < len(l.Bounds) {
			buckets[l.Bounds[i].Seconds()] = count
		}
	}
	desc := prometheus.NewDesc("worklog_delivery_seconds", "From the hint after a commit to the flush into a stream.", nil, nil)
	return prometheus.MustNewConstHistogram(desc, count, l.Sum.Seconds(), buckets)
}

// serveMetrics opens the listener of METRICS_ADDR, if there is one.
func (p *program) serveMetrics(ctx context.Context, failed chan<- error) (*http.Server, error) {
	if p.cfg.MetricsAddr == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", p.cfg.MetricsAddr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.metrics.handler())
	server := p.newServer(mux)
	go func() { failed <- server.Serve(listener) }()
	p.log.Info("metrics listening", "url", "http://"+listener.Addr().String()+"/metrics")
	return server, nil
}
