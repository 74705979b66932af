package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/mattn/go-isatty"

	"tram/agent/i18n"
)

// Streams is the world outside a command: its three streams and its
// environment. A test gives buffers.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Getenv func(string) string
}

// OS returns the streams and environment of this process.
func OS() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
}

// Console is what a command sees of its caller: the common flags and ways to
// answer. It is filled before a command runs and belongs to that command's
// goroutine.
type Console struct {
	Program string    // "tram" or "tram-hub"
	Data    string    // data folder, from --data, the environment or the default
	Lang    i18n.Lang // language of messages
	JSON    bool      // results and errors as JSON
	Plain   bool      // tables as lines with tabs
	Quiet   bool      // no messages and no progress, results only
	Verbose bool      // technical causes and debug log
	NoInput bool      // never ask
	Yes     bool      // every question is answered yes
	NoColor bool      // no colour and no redrawn line

	In  *bufio.Reader
	Out io.Writer // results
	Err io.Writer // messages, progress, log

	stdin    io.Reader // In without its buffer, to see whether it is a terminal
	inTTY    bool
	errTTY   bool
	errFile  *os.File
	colorErr bool
}

// newConsole looks at the streams; flags are applied later by settle.
func newConsole(program string, s Streams) *Console {
	c := &Console{Program: program, stdin: s.In, In: bufio.NewReader(s.In), Out: s.Out, Err: s.Err}
	c.inTTY = isTerminal(s.In)
	c.errTTY = isTerminal(s.Err)
	c.errFile, _ = s.Err.(*os.File)
	if asciiOnly(s.Getenv) {
		if isTerminal(s.Out) {
			c.Out = foldWriter{s.Out}
		}
		if c.errTTY {
			c.Err = foldWriter{s.Err}
		}
	}
	return c
}

// settle derives what depends on the flags.
func (c *Console) settle(getenv func(string) string) {
	if getenv("TERM") == "dumb" {
		c.errTTY = false
	}
	c.colorErr = c.errTTY && !c.NoColor && getenv("NO_COLOR") == ""
}

// isTerminal reports whether stream is a terminal, Cygwin's included.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// asciiOnly reports whether a console of this environment shows boxes for
// Vietnamese letters: the bare Linux console, or a locale without UTF-8.
// Windows consoles are written in Unicode whatever the code page.
func asciiOnly(getenv func(string) string) bool {
	if runtime.GOOS == "windows" {
		return false
	}
	locale := strings.ToLower(localeOf(getenv))
	return getenv("TERM") == "linux" || !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
}

// localeOf returns the locale of messages, "" when none is set.
func localeOf(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// T returns the message named key in the caller's language.
func (c *Console) T(key string, args ...i18n.Args) string {
	return i18n.T(c.Lang, key, append(args, i18n.Args{"program": c.Program})...)
}

// Say writes one message line to standard error, unless --quiet is given.
func (c *Console) Say(key string, args ...i18n.Args) {
	if !c.Quiet {
		fmt.Fprintln(c.Err, c.T(key, args...))
	}
}

// Mark starts a line of a list of steps or checks.
type Mark rune

// The three marks.
const (
	Done    Mark = '✓'
	Warning Mark = '!'
	Failure Mark = '✗'
)

// Step writes a message line that starts with mark to standard error, unless
// --quiet is given.
func (c *Console) Step(mark Mark, key string, args ...i18n.Args) {
	if !c.Quiet {
		fmt.Fprintf(c.Err, "%s %s\n", c.paint(mark), c.T(key, args...))
	}
}

func (c *Console) paint(mark Mark) string {
	colour := map[Mark]string{Done: "32", Warning: "33", Failure: "31"}[mark]
	if !c.colorErr || colour == "" {
		return string(mark)
	}
	return "\x1b[" + colour + "m" + string(mark) + "\x1b[0m"
}

// Print writes a command's result to standard output: v as JSON with --json,
// else what human writes.
func (c *Console) Print(v any, human func(w io.Writer)) error {
	if c.JSON {
		return c.PrintJSON(v)
	}
	human(c.Out)
	return nil
}

// PrintJSON writes v as indented JSON to standard output.
func (c *Console) PrintJSON(v any) error {
	e := json.NewEncoder(unfolded(c.Out))
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Logger returns a logger to standard error for a program that runs. level is
// "debug", "info", "warn" or "error"; --verbose means "debug". format is "text"
// or "json".
func (c *Console) Logger(level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	if c.Verbose {
		l = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(unfolded(c.Err), options))
	}
	return slog.New(slog.NewTextHandler(c.Err, options))
}
