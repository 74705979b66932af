package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Bounds of the process that reads one file.
const (
	// MaxTime is how long it may run.
	MaxTime = time.Minute
	// MaxMemory is how much memory it may hold, in bytes; beyond it ends.
	MaxMemory = 64 << 20
	// maxAnswer is the longest answer: each byte of a text may be escaped.
	maxAnswer = 6*MaxText + 1024
)

// Command is the hidden command of the program that serves a [Process]. The kind
// of the file follows it, the memory it may hold, and how much text is wanted.
const Command = "extract-text"

// answer is what the process says, in JSON on its standard output.
type answer struct {
	Text
	Fault string `json:"fault,omitempty"` // "unreadable", "none"
}

// Process reads files in processes of their own, one for each: a fault in a
// reader, a file made to exhaust it, or one that takes for ever, ends that
// process and nothing else.
type Process struct {
	Program string // that has Command
	Time    time.Duration
	Memory  int64
	Wait    time.Duration // how long to wait at most, before it starts, while the machine is short of memory; 0: not at all
	Text    int           // how much of the beginning of the text is wanted, in bytes; 0: MaxText
}

// Read reads the text of a file of that kind. body is a file of the operating
// system, which the process then reads by itself, or short. An error that is
// neither ErrUnreadable nor ErrNoText is of this machine, not of the file.
func (p Process) Read(ctx context.Context, kind string, body io.Reader) (Text, error) {
	if p.Time <= 0 {
		p.Time = MaxTime
	}
	if p.Memory <= 0 {
		p.Memory = MaxMemory
	}
	if p.Text <= 0 || p.Text > MaxText {
		p.Text = MaxText
	}
	awaitMemory(ctx, pressureFile, p.Wait)
	if ctx.Err() != nil {
		return Text{}, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, p.Time)
	defer cancel()
	cmd := exec.CommandContext(limited, p.Program, Command, kind, strconv.FormatInt(p.Memory, 10), strconv.Itoa(p.Text))
	cmd.Env = append(environment(), "GODEBUG=memprofilerate=0", "GOMAXPROCS=1", "GOTRACEBACK=none", fmt.Sprintf("GOMEMLIMIT=%d", p.Memory/2))
	cmd.Dir = os.TempDir()
	cmd.WaitDelay = time.Second
	cmd.Stdin = body
	if f, ok := body.(*os.File); ok {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return Text{}, fmt.Errorf("read file: %w", err)
		}
		cmd.Stdin = f // itself, not through a pipe
	}
	out := &bounded{left: maxAnswer, over: cancel}
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		return Text{}, fmt.Errorf("start reader of files: %w", err)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return Text{}, ctx.Err()
	}
	if err != nil {
		return Text{}, fmt.Errorf("%w: reader ended: %w", ErrUnreadable, err)
	}
	var a answer
	if err := json.Unmarshal(out.kept.Bytes(), &a); err != nil {
		return Text{}, fmt.Errorf("%w: answer of the reader: %w", ErrUnreadable, err)
	}
	switch a.Fault {
	case "":
		return a.Text, nil
	case "none":
		return Text{}, ErrNoText
	}
	return Text{}, ErrUnreadable
}

// environment keeps what programs need to start on Windows, and nothing else.
func environment() (kept []string) {
	for _, name := range []string{"SystemRoot", "TEMP", "TMP"} {
		if v, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+v)
		}
	}
	return kept
}

// bounded keeps so many bytes, and calls over at more.
type bounded struct {
	kept bytes.Buffer // not embedded: its ReadFrom would pass Write by
	left int
	over func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.over()
		return 0, errors.New("answer is too long")
	}
	return b.kept.Write(p)
}

// Serve is the work of the process: it reads in as a file of that kind and writes
// the answer. It gives away what it does not need of this machine first. When it
// returns, the process must end.
func Serve(kind, memory, text string, in *os.File, out io.Writer) error {
	limit, err := strconv.ParseInt(memory, 10, 64)
	if err != nil || limit <= 0 {
		limit = MaxMemory
	}
	most, err := strconv.Atoi(text)
	if err != nil || most <= 0 || most > MaxText {
		most = MaxText
	}
	confine(limit)
	done := make(chan error, 1)
	go func() { done <- serve(kind, most, in, out) }()
	return watch(done, limit)
}

func serve(kind string, most int, in *os.File, out io.Writer) error {
	r, size, err := content(in)
	if err != nil {
		return err
	}
	text, err := beginning(kind, r, size, most)
	a := answer{Text: text}
	switch {
	case errors.Is(err, ErrNoText):
		a.Fault = "none"
	case err != nil:
		a.Fault = "unreadable"
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// content is a file as it is, or what comes through a pipe.
func content(in *os.File) (io.ReaderAt, int64, error) {
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		return in, info.Size(), nil
	}
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read file: %w", err)
	}
	if len(data) > maxInput {
		return nil, 0, errors.New("read file: too long for a pipe")
	}
	return bytes.NewReader(data), int64(len(data)), nil
}
