// Package api is the office's HTTP interface for programs: the command line
// uses it over a local socket, in version 1 of its paths.
//
// It promises stable, additive JSON: fields are never renamed or removed
// within /v1; every error is a problem with a code, the field concerned, and
// texts in both languages; uploads and downloads are streamed.
//
// Whoever can open the socket may do everything that a clerk and an IT officer
// may, without a sign-in, and none of it is reachable from the network: the socket
// stands in the data folder with the folder's permissions.
package api
