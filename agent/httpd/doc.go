// Package httpd is the listener that the clerk's pages and the REST API share,
// and the second origin from which documents are shown.
//
// It promises:
//
//   - Beyond loopback nothing is served without TLS: Listen refuses to start.
//   - A request whose Host is a name that is not ours is refused (DNS
//     rebinding), and an unsafe request that another site caused is refused
//     (cross-site request forgery).
//   - Documents come from an origin of their own, which knows no cookies. Each
//     address there is signed, lives minutes, is bound to one session and opens
//     one file. Foreign content therefore never runs beside a signed-in page.
//   - Only PDF, raster images and plain text are shown in the browser; a PDF
//     with scripts, launch actions or embedded files is offered for saving only.
//   - A client that stalls, sends too much or makes a handler panic costs one
//     connection, never the server.
package httpd
