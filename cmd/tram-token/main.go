//go:build cgo

// Command tram-token signs with a key on a PKCS#11 token on behalf of tram. It
// is the one program of ours with cgo: makers deliver libraries for C, and a
// fault in one of them ends this program and not the office's service.
//
// tram starts it with the path of the maker's library and talks to it over
// standard input and output as package agent/sealkey/tokenwire specifies. The
// PIN comes that way alone. It ends with its input.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tram/agent/sealkey/tokenwire"
)

func main() {
	out, err := claimStdout()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tram-token:", err)
		os.Exit(1)
	}
	os.Exit(run(os.Args[1:], os.Stdin, out, os.Stderr))
}

// Exit codes: 0 at the end of the input, 1 for a broken conversation, 2 for
// wrong arguments.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("tram-token", flag.ContinueOnError)
	flags.SetOutput(errs)
	path := flags.String("module", "", "full path of the token maker's PKCS#11 library")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if !filepath.IsAbs(*path) || flags.NArg() > 0 {
		fmt.Fprintln(errs, "tram-token is started by tram: --module FULL-PATH-OF-LIBRARY")
		return 2
	}
	m := &module{path: *path}
	defer m.close()
	for {
		q, err := tokenwire.ReadRequest(in) // without a buffer, which would keep the PIN
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err == nil {
			reply := m.answer(q)
			clear(q.PIN)
			reply.ID = q.ID
			err = tokenwire.WriteReply(out, reply)
		}
		if err != nil {
			fmt.Fprintln(errs, "tram-token:", err)
			return 1
		}
	}
}
