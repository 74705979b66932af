package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tram/cmd/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tram": func() { os.Exit(program(cli.OS()).Main()) }})
}

// TestScripts tells the stories of testdata/script on the command line. The hub
// in them is the built program.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "tram/cmd/tram-hub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the hub: %v\n%s", err, out)
	}
	// A group, so that the scripts, which are parallel, end before bin is removed.
	t.Run("all", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true, RequireUniqueNames: true,
			Setup: func(e *testscript.Env) error {
				e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
				e.Setenv("GORACE", "atexit_sleep_ms=0") // a race detector sleeps a second after each program
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"exits": exits, "await": await, "await-code": awaitCode, "elapse": elapse, "serve": serve, "capture": capture, "ports": ports, "tamper": tamper, "damage": damage, "touch": touch, "spoil": spoil,
			},
		})
	})
}

// exitCode runs a program and returns how it ended.
func exitCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}
