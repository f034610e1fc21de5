// Package exporttest sends telemetry to the running program with the exporters that people use: those of OpenTelemetry's
// SDKs for Go and for JavaScript.
package exporttest
