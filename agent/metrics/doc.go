// Package metrics gives what a program knows of itself to monitoring software: the
// text format 0.0.4 of Prometheus and OpenMetrics 1.0, over HTTP.
//
// It promises:
//
//   - What it writes is read by strict readers of both formats, whatever stands in
//     labels.
//   - It listens on loopback, or answers addresses on a list alone; others' connections
//     are closed before a byte is read.
//   - It is bounded (P9): series of a metric, connections, how often figures are
//     gathered however often somebody asks. Series for which there is no room are
//     counted.
//   - A part that gives no figures keeps none of the others back, and is counted.
//
// The metrics themselves are a table in agent/README.md. This is a writer of our own:
// prometheus/client_golang makes an office's program 3 MB larger for what these few
// files do.
package metrics
