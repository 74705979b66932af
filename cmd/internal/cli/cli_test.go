package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// world is a caller with buffers for streams.
type world struct {
	in       string
	out, err bytes.Buffer
	env      map[string]string
}

func (w *world) app() *App {
	if w.env == nil {
		w.env = map[string]string{"LANG": "vi_VN.UTF-8"}
	}
	a := New("tram", Streams{
		In: strings.NewReader(w.in), Out: &w.out, Err: &w.err,
		Getenv: func(name string) string { return w.env[name] },
	})
	a.Add(sample(a.Console), VersionCommand(a.Console), ConfigCommand(a.Console,
		func(dir string) ([]config.Value, error) {
			o, err := config.LoadOffice(dir, nil)
			if err != nil {
				return nil, err
			}
			return o.Values(), nil
		}, config.ExampleOffice))
	return a
}

func (w *world) run(t *testing.T, args ...string) int {
	t.Helper()
	return w.app().Run(t.Context(), args)
}

// sample is a command whose argument says what it does.
func sample(c *Console) *cobra.Command {
	cmd := &cobra.Command{Use: "sample WHAT", Short: "cli.version.short", Args: Args(1, 1)}
	ConfigFlag(cmd, "ui", "ui.address")
	cmd.Flags().Int("count", 1, "plain text")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch args[0] {
		case "ask":
			return c.Confirm("?")
		case "partial":
			return ErrPartial
		case "plain-error":
			return errors.New("disk on fire")
		case "list":
			return problem.List{
				problem.New(problem.Usage, "cli.empty-passphrase", "a", nil),
				problem.New(problem.Usage, "cli.passphrases-differ", "b", nil),
			}
		case "settings":
			return c.PrintJSON(ConfigFlags(cmd))
		case "wait":
			<-cmd.Context().Done()
			return cmd.Context().Err()
		case "data":
			fmt.Fprint(c.Out, c.Data)
		}
		return nil
	}
	return cmd
}

func TestExitCodes(t *testing.T) {
	of := func(class problem.Class) error { return problem.New(class, "x", "", nil) }
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nothing wrong", nil, 0},
		{"unknown error", errors.New("x"), 1},
		{"failed", of(problem.Failed), 1},
		{"not found", of(problem.NotFound), 1},
		{"conflict", of(problem.Conflict), 1},
		{"denied", of(problem.Denied), 1},
		{"usage", of(problem.Usage), 2},
		{"partial", fmt.Errorf("x: %w", ErrPartial), 3},
		{"not enrolled", of(problem.NotEnrolled), 10},
		{"not running", fmt.Errorf("x: %w", of(problem.NotRunning)), 11},
		{"link down", of(problem.LinkDown), 12},
		{"bad invite", of(problem.BadInvite), 13},
		{"bad seal", of(problem.BadSeal), 14},
		{"full", of(problem.Full), 15},
		{"bad clock", of(problem.BadClock), 16},
		{"busy", of(problem.Busy), 17},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), 130},
		{"list", problem.List{problem.New(problem.Full, "x", "", nil)}, 15},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.want)
		}
	}
	for _, code := range exitCodes {
		if !i18n.Has(exitKey(code)) {
			t.Errorf("exit code %d is not explained", code)
		}
	}
}

func TestParserComplaintsAreTranslatedAndExitWithUsage(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string // part of standard error, English
	}{
		{"unknown command", []string{"smaple"}, "Did you mean `tram sample`?"},
		{"unknown command, nothing near", []string{"zzzzzz"}, "no command “zzzzzz”"},
		{"unknown command of a group", []string{"config", "list"}, "[cli.unknown-command]"},
		{"unknown flag", []string{"sample", "x", "--nope"}, "“--nope”"},
		{"unknown short flag", []string{"sample", "x", "-Z"}, "“-Z”"},
		{"flag without value", []string{"sample", "x", "--ui"}, "“--ui” needs a value"},
		{"flag of wrong type", []string{"sample", "x", "--count", "many"}, "“many”"},
		{"too few arguments", []string{"sample"}, "Usage: tram sample WHAT"},
		{"too many arguments", []string{"sample", "a", "b"}, "[cli.too-many-arguments]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world{env: map[string]string{"LANG": "en_US.UTF-8"}}
			if code := w.run(t, tt.args...); code != ExitUsage {
				t.Errorf("exit %d", code)
			}
			if !strings.Contains(w.err.String(), tt.want) {
				t.Errorf("%q lacks %q", w.err.String(), tt.want)
			}
			if w.out.Len() > 0 {
				t.Errorf("standard output has %q", w.out.String())
			}
		})
	}
}

func TestRequiredFlagIsNamed(t *testing.T) {
	var w world
	a := w.app()
	cmd := &cobra.Command{Use: "need", RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.Flags().String("to", "", "x")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		t.Fatal(err)
	}
	a.Add(cmd)
	if code := a.Run(t.Context(), []string{"need"}); code != ExitUsage || !strings.Contains(w.err.String(), "“--to”") {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
}

func TestErrorShowsMessageNextStepAndCode(t *testing.T) {
	var w world
	w.run(t, "sample", "list")
	for _, want := range []string{"Mật khẩu trống.", "Tiếp theo: ", "[cli.empty-passphrase]", "[cli.passphrases-differ]"} {
		if !strings.Contains(w.err.String(), want) {
			t.Errorf("%q lacks %q", w.err.String(), want)
		}
	}
}

func TestUnexpectedErrorShowsItsCause(t *testing.T) {
	var w world
	if code := w.run(t, "sample", "plain-error"); code != ExitFailed || !strings.Contains(w.err.String(), "disk on fire") {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
}

func TestErrorAsJSON(t *testing.T) {
	for _, args := range [][]string{{"sample", "list", "--json"}, {"sample", "--json"}} {
		var w world
		w.run(t, args...)
		for line := range strings.Lines(w.err.String()) {
			var got shownError
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if got.MessageType != "error" || got.Code == "" || got.Message == "" || got.ExitCode != ExitUsage {
				t.Errorf("got %+v", got)
			}
		}
	}
}

func TestPartialSaysNothingMore(t *testing.T) {
	var w world
	if code := w.run(t, "sample", "partial"); code != ExitPartial || w.err.Len() > 0 {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
}

func TestCancelledCommandExits130(t *testing.T) {
	var w world
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := w.app().Run(ctx, []string{"sample", "wait"}); code != ExitCancelled {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
}

func TestLanguage(t *testing.T) {
	vi, en := "Cách dùng:", "Usage:"
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"nothing set", map[string]string{"X": ""}, nil, vi},
		{"no locale", map[string]string{"LANG": "C"}, nil, vi},
		{"English", map[string]string{"LANG": "en_GB.UTF-8"}, nil, en},
		{"LC_ALL wins", map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "vi_VN.UTF-8"}, nil, vi},
		{"flag wins", map[string]string{"LANG": "vi_VN.UTF-8"}, []string{"--lang=en"}, en},
	}
	for _, tt := range tests {
		w := world{env: tt.env}
		if code := w.run(t, append(tt.args, "--help")...); code != ExitOK || !strings.Contains(w.out.String(), tt.want) {
			t.Errorf("%s: exit %d, %q", tt.name, code, w.out.String())
		}
	}
}

func TestRootHelpListsCommandsAndExitCodes(t *testing.T) {
	var w world
	if code := w.run(t, "--lang", "en"); code != ExitOK {
		t.Errorf("exit %d", code)
	}
	text := w.out.String()
	for _, want := range []string{"tram COMMAND", "sample", "completion", "--json", "130", "not enrolled"} {
		if !strings.Contains(text, want) {
			t.Errorf("help lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "cli.") {
		t.Errorf("help shows a bare key:\n%s", text)
	}
}

func TestDataFolder(t *testing.T) {
	tests := []struct {
		env, flag, want string
	}{
		{"", "", config.DefaultDir("tram")},
		{"/from/env", "", "/from/env"},
		{"/from/env", "/from/flag", "/from/flag"},
	}
	for _, tt := range tests {
		w := world{env: map[string]string{"TRAM_DATA": tt.env, "LANG": "C.UTF-8"}}
		args := []string{"sample", "data"}
		if tt.flag != "" {
			args = append(args, "--data", tt.flag)
		}
		w.run(t, args...)
		if w.out.String() != tt.want {
			t.Errorf("got %q, want %q", w.out.String(), tt.want)
		}
	}
}

func TestConfigFlagsCarryOnlyWhatWasGiven(t *testing.T) {
	var w world
	w.run(t, "sample", "settings", "--count", "2")
	if got := strings.TrimSpace(w.out.String()); got != "{}" {
		t.Errorf("got %s", got)
	}
	w = world{}
	w.run(t, "sample", "settings", "--ui", "127.0.0.1:9")
	if got := w.out.String(); !strings.Contains(got, `"ui.address"`) || !strings.Contains(got, "127.0.0.1:9") {
		t.Errorf("got %s", got)
	}
}

func TestConfigShow(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.OfficeFile), []byte("language = \"en\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var w world
	if code := w.run(t, "config", "show", "--json", "--data", dir); code != ExitOK {
		t.Fatal(w.err.String())
	}
	var values []config.Value
	if err := json.Unmarshal(w.out.Bytes(), &values); err != nil || len(values) < 10 {
		t.Errorf("%v in %s", err, w.out.String())
	}
	w = world{}
	w.run(t, "config", "show", "--plain", "--data", dir)
	if want := "language\ten\t" + filepath.Join(dir, config.OfficeFile) + "\n"; !strings.Contains(w.out.String(), want) {
		t.Errorf("%q lacks %q", w.out.String(), want)
	}
}

func TestConfirmNeverWaitsWithoutATerminal(t *testing.T) {
	w := world{in: "y\n"}
	if code := w.run(t, "sample", "ask"); code != ExitUsage || !strings.Contains(w.err.String(), "--yes") {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
	w = world{}
	if code := w.run(t, "sample", "ask", "--yes"); code != ExitOK {
		t.Errorf("exit %d with --yes", code)
	}
}

func TestConfirmAnswers(t *testing.T) {
	for answer, yes := range map[string]bool{"y\n": true, "C\n": true, "có\n": true, "\n": false, "n\n": false, "": false} {
		c := newConsole("tram", Streams{In: strings.NewReader(answer), Out: io.Discard, Err: io.Discard, Getenv: os.Getenv})
		c.inTTY = true
		if err := c.Confirm("?"); (err == nil) != yes {
			t.Errorf("answer %q gave %v", answer, err)
		}
	}
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, file, in, want, code string
	}{
		{"file", file("a", "mật khẩu có dấu cách \n"), "", "mật khẩu có dấu cách ", ""},
		{"file with Windows line end", file("b", "abc\r\n"), "", "abc", ""},
		{"standard input", "-", "abc\n", "abc", ""},
		{"empty file", file("c", "\n"), "", "", "cli.empty-passphrase"},
		{"some other file", file("d", strings.Repeat("x", maxPassphrase+1)), "", "", "cli.long-passphrase"},
		{"no such file", filepath.Join(dir, "none"), "", "", "cli.passphrase-file"},
		{"no terminal", "", "abc\n", "", "cli.needs-passphrase"},
	}
	for _, tt := range tests {
		c := newConsole("tram", Streams{In: strings.NewReader(tt.in), Out: io.Discard, Err: io.Discard, Getenv: os.Getenv})
		got, err := c.Passphrase(Secret{File: tt.file, Flag: "passphrase-file"})
		if string(got) != tt.want || tt.code != "" && problem.From(err).Code != tt.code {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
}

func TestBareConsoleGetsASCII(t *testing.T) {
	if got := ascii("✓ Đã kết nối · “Trạm” … 漢"); got != `+ Da ket noi - "Tram" ... ?` {
		t.Errorf("got %q", got)
	}
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "vi_VN.UTF-8", "TERM": "xterm"}, false},
		{map[string]string{"LANG": "vi_VN.UTF-8", "TERM": "linux"}, true},
		{map[string]string{"LANG": "C.utf8"}, false},
		{map[string]string{"LANG": "C"}, true},
		{nil, true},
	} {
		if got := asciiOnly(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %v", tt.env, got)
		}
	}
}

func TestTable(t *testing.T) {
	var w world
	c := w.app().Console
	c.Lang = i18n.English
	rows := [][]string{{"một", "x\ty\x1b[2J"}, {"số hai", "\u202eabc"}}
	c.Table(&w.out, []string{"cli.config.key", "cli.config.value"}, rows)
	if want := "SETTING  VALUE\nmột      x y [2J\nsố hai    abc\n"; w.out.String() != want {
		t.Errorf("got %q, want %q", w.out.String(), want)
	}
	w.out.Reset()
	c.Plain = true
	c.Table(&w.out, []string{"cli.config.key"}, rows)
	if want := "một\tx y [2J\nsố hai\t abc\n"; w.out.String() != want {
		t.Errorf("got %q, want %q", w.out.String(), want)
	}
}

func TestProgressWithoutATerminalIsALinePerHalfMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		p := w.app().Console.Progress("báo cáo.pdf")
		for i := range int64(61) {
			p.Set(i*1024*28, 100*1024*28)
			time.Sleep(time.Second)
		}
		p.Finish()
		lines := strings.Split(strings.TrimSpace(w.err.String()), "\n")
		if len(lines) != 2 || lines[0] != "báo cáo.pdf  840.0KiB  28.0KiB/s  30.0%  ETA 00:01:10" {
			t.Errorf("got %q", lines)
		}
	})
}

func TestProgressOnATerminalRedrawsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		c := w.app().Console
		c.errTTY = true
		p := c.Progress(strings.Repeat("rất dài ", 40))
		for i := range int64(3) {
			time.Sleep(time.Second)
			p.Set(i*1000, 2000)
		}
		p.Finish()
		p.Finish()
		if n := strings.Count(w.err.String(), "\n"); n != 1 {
			t.Errorf("%d lines in %q", n, w.err.String())
		}
		for part := range strings.SplitSeq(w.err.String(), "\r") {
			if n := len([]rune(strings.TrimSuffix(strings.TrimSpace(part), "\x1b[K"))); n >= defaultWidth {
				t.Errorf("%d characters in %q", n, part)
			}
		}
	})
}

func TestProgressAsJSONAndQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		c := w.app().Console
		c.JSON = true
		p := c.Progress("x")
		time.Sleep(jsonEvery)
		p.Set(5, 10)
		var got status
		if err := json.Unmarshal(w.err.Bytes(), &got); err != nil || got.MessageType != "status" || got.Total != 10 {
			t.Errorf("%v in %q", err, w.err.String())
		}
		w.err.Reset()
		c.Quiet = true
		time.Sleep(time.Hour)
		p.Set(6, 10)
		if w.err.Len() > 0 {
			t.Errorf("quiet, yet %q", w.err.String())
		}
	})
}

func TestColourOnlyWhereItIsWelcome(t *testing.T) {
	for name, prepare := range map[string]func(c *Console, env map[string]string){
		"NO_COLOR":   func(_ *Console, env map[string]string) { env["NO_COLOR"] = "1" },
		"TERM=dumb":  func(_ *Console, env map[string]string) { env["TERM"] = "dumb" },
		"--no-color": func(c *Console, _ map[string]string) { c.NoColor = true },
		"no TTY":     func(c *Console, _ map[string]string) { c.errTTY = false },
	} {
		var w world
		c := w.app().Console
		c.errTTY = true
		prepare(c, w.env)
		c.settle(func(name string) string { return w.env[name] })
		if got := c.paint(Done); got != "✓" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestVersion(t *testing.T) {
	var w world
	if code := w.run(t, "version", "--json"); code != ExitOK {
		t.Fatal(w.err.String())
	}
	var b BuildInfo
	if err := json.Unmarshal(w.out.Bytes(), &b); err != nil || b.Version != "dev" || b.Go == "" {
		t.Errorf("%v in %s", err, w.out.String())
	}
}

func TestServiceCommandsExplainThemselves(t *testing.T) {
	var w world
	a := w.app()
	a.Add(ServiceCommands(a.Console, ServiceOptions{Title: "Trạm", Description: "Trạm"})...)
	if code := a.Run(t.Context(), []string{"install", "--print-unit", "--data", "/var/lib/tram"}); code != ExitOK {
		t.Fatal(w.err.String())
	}
	if !strings.Contains(w.out.String(), "ExecStart=/opt/tram/tram run --data /var/lib/tram\n") {
		t.Errorf("got %s", w.out.String())
	}
}
