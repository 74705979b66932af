// Package linktest is the bad line for tests and for the lab, and the suite
// that every exchange.Transport must pass.
//
//   - [Proxy] is a TCP proxy with rate, delay, loss (felt as a stall, as TCP
//     shows it), cuts, half-open silence and byte counters. No privileges and no
//     kernel modules are needed. The same seed gives the same losses at the same
//     bytes of the same connection.
//   - [Pipe] is a pair of transports in memory that drops, repeats, reorders and
//     cuts by seed; it runs under testing/synctest.
//   - [Transport] is the conformance suite.
//   - [Authority] makes certificates; [StartMosquitto], [StartNATS] and
//     [StartRabbitMQ] run real brokers.
//
// Nothing here is for production.
package linktest
