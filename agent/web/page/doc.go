// Package page is the machinery of server-rendered pages: it makes a site of
// templates, words, routes and accounts. The clerk's pages and the province's
// console are such sites.
//
// It promises, of every site:
//
//   - A page works without scripts, loads nothing from elsewhere and holds no
//     inline script or style; its policy says so to the browser.
//   - A page is rendered to memory before its first byte goes out: no half
//     pages. A panic or an error becomes a page that says what to do.
//   - Each route names who may use it. Before its handler runs the visitor was
//     identified, his role was looked at, and a form that changes something has
//     shown the token of his own browser.
//   - A person with a temporary password reaches nothing but its replacement.
//   - Style sheets and scripts are embedded, packed, and named by their digest.
package page
