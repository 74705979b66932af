package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tram/agent/hub"
	"tram/cmd/internal/cli"
	"tram/storage/sqlite"
	"tram/sync/linktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tram-hub": func() { os.Exit(program(cli.OS()).Main()) }})
}

// TestScripts tells the stories of testdata/script on the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // a race detector sleeps a second after each program
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "damage": damage, "ports": ports, "await": await},
	})
}

// exits CODE PROGRAM ARG… runs a program that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await PROGRAM ARG… runs a program again and again until it succeeds.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for late := time.Now().Add(20 * time.Second); ts.Exec(args[0], args[1:]...) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			ts.Fatalf("it does not succeed")
		}
	}
}

// damage DIR changes the first entry of a hub's audit log behind its back.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	db, err := hub.OpenDB(context.Background(), ts.MkAbs(args[0]), false, nil)
	ts.Check(err)
	ts.Check(db.Update(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE audit SET actor = 'nobody' WHERE seq = 1`)
		return err
	}))
	ts.Check(db.Close())
}

// ports NAME… puts a free loopback address into each variable.
func ports(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		addr, err := linktest.LoopbackAddr()
		ts.Check(err)
		ts.Setenv(name, addr)
	}
}
