// Package connector joins the office to other makers' software: one contract,
// [Connector], and the [Host] that runs connectors of every kind.
//
// The host promises, whatever a connector does:
//
//   - Each entry of the office's feed that a connector wants is handed to it at
//     least once, in the order of its document; a delivery that crashed or failed
//     is repeated. What has been handed over is never handed over again.
//   - A connector that fails, panics or hangs stops no other one and nothing in
//     the office. It is named with its reason, see [State].
//   - Another system that asks for rest gets it ([After]); one that wants nothing
//     more has its connector paused ([Stop]).
//   - What a connector refuses for good is kept as a dead letter with the reason
//     until a person replays or drops it; entries behind it go on. Nothing is
//     dropped silently: with [MaxWaiting] entries waiting, the feed waits.
//   - A connector that is added starts with what happens from then on.
//
// A connector is added, paused and removed while the office runs. Its secret is
// kept apart from its settings and is never shown again.
package connector
