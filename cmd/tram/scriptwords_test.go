package main

import (
	"archive/zip"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tram/agent"
	"tram/storage/sqlite"
	"tram/sync/linktest"
)

// The commands that scripts have beside those of testscript.

// exits CODE PROGRAM ARG… runs a program that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await REGEXP PROGRAM ARG… runs a program again and again until it succeeds
// and its standard output matches.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	late := time.Now().Add(30 * time.Second)
	for exitCode(ts, args[1:]) != 0 || !want.MatchString(ts.ReadFile("stdout")) {
		if time.Now().After(late) {
			ts.Fatalf("it never answers %q", args[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// awaitCode CODE REGEXP PROGRAM ARG… runs a program again and again until it ends
// with this exit code and its standard output matches.
func awaitCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	match := regexp.MustCompile(args[1])
	for late := time.Now().Add(30 * time.Second); exitCode(ts, args[2:]) != want || !match.MatchString(ts.ReadFile("stdout")); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			ts.Fatalf("it never ends with %d and %q", want, args[1])
		}
	}
}

// serve DIR NAME serves the files of a folder over HTTP and sets the variable NAME
// to its address.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve DIR NAME")
	}
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv(args[1], server.URL)
}

// elapse DURATION lets time pass that a program's own clock must see.
func elapse(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// capture NAME REGEXP puts the group of a match in standard output into a
// variable.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	match := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) != 2 {
		ts.Fatalf("no match for %q", args[1])
	}
	ts.Setenv(args[0], match[1])
}

// ports NAME… puts a free loopback address into each variable.
func ports(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		addr, err := linktest.LoopbackAddr()
		ts.Check(err)
		ts.Setenv(name, addr)
	}
}

// tamper OLD NEW ENTRY copies a container and changes one entry in the copy.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	old, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer old.Close()
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	out, found := zip.NewWriter(file), false
	for _, f := range old.File {
		if f.Name != args[2] {
			ts.Check(out.Copy(f))
			continue
		}
		found = true
		r, err := f.Open()
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		w, err := out.Create(f.Name)
		ts.Check(err)
		_, err = w.Write(append(data, '!'))
		ts.Check(err)
	}
	ts.Check(out.Close())
	ts.Check(file.Close())
	if !found {
		ts.Fatalf("%s has no entry %s", args[0], args[2])
	}
}

// damage DIR changes the first entry of an office's audit log behind its back.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	db, err := agent.OpenDB(context.Background(), ts.MkAbs(args[0]), sqlite.Options{})
	ts.Check(err)
	ts.Check(db.Update(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE audit SET actor = 'nobody' WHERE seq = 1`)
		return err
	}))
	ts.Check(db.Close())
}

// touch FILE makes an empty file.
func touch(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), nil, 0o600))
}

// spoil DIR SUFFIX flips a bit in the middle of every file below DIR whose name
// ends so.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	found := false
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, args[1]) {
			return err
		}
		found = true
		data, err := os.ReadFile(path)
		if err == nil {
			data[len(data)/2] ^= 1
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	}))
	if !found {
		ts.Fatalf("no file in %s ends in %s", args[0], args[1])
	}
}
