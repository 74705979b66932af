// Package broker is the MQTT broker inside the hub, and the configurations of
// others that can take its place: [Config]. It is the only package that knows
// mochi-mqtt; why that one is said in the README of sync.
//
// Promises:
//
//   - An office speaks only as itself. Nobody connects without a certificate of
//     the hub's authority; the certificate's common name decides which topics
//     may be written, read and named in a last will. A publish beyond that ends
//     the connection. Refusals are reported to Options.OnRefused.
//   - It is a pipe: nothing is written to disk, an office that is away has no
//     queue, and after a restart only presence is missing until all are back.
//   - It is bounded: packet size (checked before memory is allocated),
//     connections, the time a handshake may take, and for each connection the
//     messages and bytes that wait to be written. What finds no room is dropped
//     and counted in [Stats]; a slow office delays nobody else.
//   - One connection per office. A newer one replaces the older, whose last will
//     is then not published.
//
// Subscribers get at most QoS 0 from this broker, which MQTT allows a broker to
// decide. With clean sessions a higher one has no effect on what is lost, but
// costs an acknowledgement for each frame on a metered line, and in mochi a
// lock that lets one stuck subscriber stall its publishers.
package broker
