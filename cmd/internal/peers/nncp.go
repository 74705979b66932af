package peers

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"tram/cmd/internal/line"
)

const (
	// nncpChunk is the size in KiB above which a file is split, so that urgent
	// ones get between its pieces.
	nncpChunk = 1024
	// tossEvery is how often the receiver puts chunks together.
	tossEvery = 300 * time.Millisecond
)

// nncp is NNCP with its daemon at the receiver and its caller at the sender,
// which calls again whenever a call ends.
type nncp struct {
	box
	children
	host line.Host
	log  io.Writer
	cfg  string // the sender's settings
}

// nncpNode is one side's keys as nncp-cfgnew made them.
type nncpNode struct{ self, public string }

// Start implements [Peer].
func (n *nncp) Start(ctx context.Context, at Site) error {
	n.host, n.log = at.From, at.Log
	for _, name := range []string{"nncp-cfgnew", "nncp-file", "nncp-call", "nncp-daemon", "nncp-reass"} {
		if _, err := program(name, "Debian package nncp"); err != nil {
			return err
		}
	}
	if err := n.open(at.Dir); err != nil {
		return err
	}
	addr, err := freeAt(at.To)
	if err != nil {
		return err
	}
	through, err := at.From.Through(addr)
	if err != nil {
		return err
	}
	from, err := newNNCPNode(ctx)
	if err != nil {
		return err
	}
	to, err := newNNCPNode(ctx)
	if err != nil {
		return err
	}
	n.cfg = filepath.Join(at.Dir, "from.hjson")
	toCfg := filepath.Join(at.Dir, "to.hjson")
	if err := from.write(n.cfg, to, fmt.Sprintf("addrs: {lab: %q}", through)); err != nil {
		return err
	}
	if err := to.write(toCfg, from, fmt.Sprintf("incoming: %q", n.in)); err != nil {
		return err
	}
	if err := n.spawn(at.To, at.Log, "nncp-daemon", "-cfg", toCfg, "-quiet", "-bind", addr, "-autotoss"); err != nil {
		return err
	}
	if err := n.listening(ctx, at.To, addr); err != nil {
		return err
	}
	n.background(func(ctx context.Context) error {
		return repeat(ctx, at.To, at.Log, tossEvery, "nncp-reass", "-cfg", toCfg, "-quiet", "-all")
	})
	n.background(func(ctx context.Context) error {
		return repeat(ctx, at.From, at.Log, retryAfter, "nncp-call", "-cfg", n.cfg, "-quiet", "-onlinedeadline", "60", "peer")
	})
	return nil
}

// repeat runs a command again and again until the context ends.
func repeat(ctx context.Context, host line.Host, log io.Writer, wait time.Duration, name string, args ...string) error {
	for {
		cmd := line.Command(ctx, host, name, args...)
		cmd.Stdout, cmd.Stderr = log, log
		_ = cmd.Run() // it stands in the log, and the next try follows
		if pause(ctx, wait) != nil {
			return nil
		}
	}
}

var (
	nncpSelf = regexp.MustCompile(`(?s)\n  self: (\{.*?\n  \})`)
	nncpKeys = regexp.MustCompile(`(?m)^\s*(?:id|exchpub|signpub|noisepub): .*$`)
)

func newNNCPNode(ctx context.Context) (nncpNode, error) {
	out, err := exec.CommandContext(ctx, "nncp-cfgnew", "-nocomments").Output()
	if err != nil {
		return nncpNode{}, fmt.Errorf("make NNCP keys: %w", err)
	}
	found := nncpSelf.FindSubmatch(out)
	if found == nil {
		return nncpNode{}, fmt.Errorf("make NNCP keys: no section self in %d bytes", len(out))
	}
	self := string(found[1])
	return nncpNode{self, strings.Join(nncpKeys.FindAllString(self, -1), "\n")}, nil
}

// write makes the settings of a node that knows one peer.
func (n nncpNode) write(file string, peer nncpNode, options string) error {
	spool := strings.TrimSuffix(file, ".hjson")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return fmt.Errorf("make NNCP spool: %w", err)
	}
	text := fmt.Sprintf("{\n  spool: %q\n  log: %q\n  self: %s\n  neigh: {\n    self: {\n%s\n    }\n    peer: {\n%s\n      %s\n    }\n  }\n}\n",
		spool, spool+"/log", n.self, n.public, peer.public, options)
	return os.WriteFile(file, []byte(text), 0o600)
}

// Send implements [Peer].
func (n *nncp) Send(ctx context.Context, documents ...Document) error {
	if err := n.put(documents); err != nil {
		return err
	}
	for _, d := range documents {
		nice := "B"
		if d.Urgent {
			nice = "F"
		}
		args := []string{"-cfg", n.cfg, "-quiet", "-nice", nice}
		if len(d.Data) > nncpChunk<<10 {
			args = append(args, "-chunked", fmt.Sprint(nncpChunk))
		}
		args = append(args, filepath.Join(n.out, d.Name), "peer:"+d.Name)
		cmd := line.Command(ctx, n.host, "nncp-file", args...)
		cmd.Stdout, cmd.Stderr = n.log, n.log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run nncp-file: %w", err)
		}
	}
	return n.trouble()
}

// Close implements [Peer].
func (n *nncp) Close() error {
	n.close()
	return nil
}
