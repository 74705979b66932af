// Package mqtt carries frames between an office and its hub over MQTT 3.1.1.
// It is the only package that knows the paho client.
//
// [Client] is the office's end and an [exchange.Transport]. [Hub] is the hub's
// end: one connection that gives a [Peer], again a Transport, for each office.
// The topics, payloads and rules that a foreign MQTT tool needs are in the
// README beside this file.
//
// Promises:
//
//   - The broker is a pipe. Sessions are clean, nothing is stored in a file, and
//     a nil error of Send says that the link took the frame, never that somebody
//     has it.
//   - Up means connected, subscribed, and the other end present. A new session of
//     the other end (its process or its connection was replaced) shows as Down
//     followed by Up, so that the exchange above starts a new session too.
//   - Everything is bounded: frames waiting for the reader, frames waiting for
//     the broker's acknowledgement, one packet's size (checked before memory is
//     allocated), and the time for which a line may make no progress. Frames that
//     find no room are dropped and counted in [Stats].
//   - Control frames overtake bulk frames that wait for the line.
//   - The connection is kept by this package alone: a new paho client for every
//     attempt, full-jitter backoff, [Client.Kick] for an immediate try,
//     [Client.Reset] for a network that is known to have gone.
//
// Frames are delivered in order of arrival. paho offers a goroutine for each
// message instead (OrderMatters off), which reorders them and bounds nothing.
// Here OrderMatters is on and the handler only appends to a bounded queue, so
// that it cannot block the connection.
package mqtt
