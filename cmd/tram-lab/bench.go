package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

func benchCommand(bin *string) *cobra.Command {
	b := bench{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measures and prints figures as JSON lines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.bin = *bin
			b.prints(cmd)
			b.command = "tram-lab bench"
			if b.quick {
				b.command += " --quick"
			}
			return b.run(cmd.Context())
		},
	}
	cmd.AddCommand(benchSealCommand(), benchRegisterCommand(), benchAPICommand(), benchSearchCommand(), benchPagesCommand(), benchConsoleCommand(), benchFootprintCommand(bin))
	cmd.Flags().BoolVar(&b.quick, "quick", false, "under a minute, with fewer documents")
	return cmd
}

// Figure is one line of a benchmark's output. Aim and Peer are empty when
// there is none.
type Figure struct {
	Figure  string  `json:"figure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Aim     string  `json:"aim,omitempty"`
	Peer    string  `json:"peer,omitempty"`
	Command string  `json:"command"`
	At      string  `json:"at"`
}

type bench struct {
	bin, command string
	quick        bool
	log          io.Writer
	out          *json.Encoder
}

// prints has figures go to the output of a command, and what else is said beside it.
func (b *bench) prints(cmd *cobra.Command) {
	b.log, b.out = cmd.ErrOrStderr(), json.NewEncoder(cmd.OutOrStdout())
	b.out.SetEscapeHTML(false)
}

func (b *bench) figure(name string, value float64, unit, aim, peer string) error {
	return b.out.Encode(Figure{name, value, unit, aim, peer, b.command, time.Now().Format(time.RFC3339)})
}

// size picks the full or the quick amount.
func (b *bench) size(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tram-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.binaries(dir); err != nil {
		return err
	}
	if err := b.accepts(ctx, filepath.Join(dir, "accepts")); err != nil {
		return err
	}
	w, err := world.Start(ctx, world.Options{
		Dir: filepath.Join(dir, "world"), Bin: b.bin, Log: b.log,
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: "H40.12", Name: "UBND xã An Bình"}, {Code: "H40.15", Name: "UBND phường Tân Lập"}},
	})
	if err != nil {
		return err
	}
	defer w.Close()
	for _, measure := range []func(context.Context, *world.World) error{b.oneTransfer, b.manyTransfers, b.idle} {
		if err := measure(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) binaries(dir string) error {
	for _, name := range []string{"tram", "tram-hub"} {
		info, err := os.Stat(filepath.Join(b.bin, name))
		if err != nil {
			return err
		}
		aim := ""
		if name == "tram" {
			aim = "≤ 18"
		}
		if err := b.figure("size of the program "+name, float64(info.Size())/(1<<20), "MiB", aim, ""); err != nil {
			return err
		}
	}
	return nil
}

// oneTransfer sends one 20 MB document and measures goodput and bytes written.
func (b *bench) oneTransfer(ctx context.Context, w *world.World) error {
	const size = 20_000_000
	data := sample.SmallPDF(size, 1)
	if _, err := send(ctx, w.Offices[0], w.Offices[1].Spec.Code, sample.Document{
		Subject: "V/v khởi động", Files: []sample.File{{Name: "nho.pdf", Data: sample.SmallPDF(5000, 2)}},
	}); err != nil {
		return err
	}
	before, err := written(w)
	if err != nil {
		return err
	}
	begin := time.Now()
	id, err := send(ctx, w.Offices[0], w.Offices[1].Spec.Code, sample.Document{
		Subject: "V/v đo tốc độ", Files: []sample.File{{Name: "lon.pdf", Data: data}},
	})
	if err != nil {
		return err
	}
	saved := time.Since(begin)
	if err := waitState(ctx, w.Offices[0], id, office.Delivered); err != nil {
		return err
	}
	seconds := time.Since(begin).Seconds() - saved.Seconds()
	after, err := written(w)
	if err != nil {
		return err
	}
	if err := b.figure("loopback throughput of one 20 MB transfer, saved → receipt at the sender", size/seconds/1e6, "MB/s", "", ""); err != nil {
		return err
	}
	for i, who := range []string{"sending office", "receiving office", "hub"} {
		if err := b.figure("bytes written to disk per byte of content, "+who, float64(after[i]-before[i])/size, "", "≤ 2.5", ""); err != nil {
			return err
		}
	}
	return nil
}

// written reads how many bytes each process caused to be written to disk.
func written(w *world.World) ([]int64, error) {
	var list []int64
	for _, p := range []*world.Process{w.Offices[0].Process, w.Offices[1].Process, w.Hub} {
		n, err := procField(fmt.Sprintf("/proc/%d/io", p.PID()), "write_bytes:")
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

func procField(path, name string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var n int64
			_, err := fmt.Sscan(rest, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// manyTransfers sends 100 documents of 1 MB at once.
func (b *bench) manyTransfers(ctx context.Context, w *world.World) error {
	const size = 1_000_000
	n := b.size(100, 20)
	begin := time.Now()
	ids, err := sendMany(ctx, w, n, 8, size)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := waitState(ctx, w.Offices[0], id, office.Delivered); err != nil {
			return err
		}
	}
	return b.figure(fmt.Sprintf("loopback throughput of %d concurrent 1 MB transfers, hand-over included", n),
		float64(n)*size/time.Since(begin).Seconds()/1e6, "MB/s", "", "")
}

// sendMany hands over n documents with several callers at once.
func sendMany(ctx context.Context, w *world.World, n, callers, size int) ([]storage.ID, error) {
	ids := make([]storage.ID, n)
	return ids, parallel(callers, n, func(i int) (err error) {
		ids[i], err = send(ctx, w.Offices[0], w.Offices[1].Spec.Code, sample.Document{
			Subject: fmt.Sprintf("V/v tải số %d", i), Files: []sample.File{{Name: "van-ban.pdf", Data: sample.SmallPDF(size, uint64(i))}},
		})
		return err
	})
}

// idle fills the offices with documents, restarts one and measures it at rest.
func (b *bench) idle(ctx context.Context, w *world.World) error {
	n := b.size(10_000, 500)
	begin := time.Now()
	ids, err := sendMany(ctx, w, n, 16, 2000)
	if err != nil {
		return err
	}
	if err := b.figure("documents saved per second by one office, 16 callers, 2 kB each, seal and encryption included", float64(n)/time.Since(begin).Seconds(), "1/s", "", ""); err != nil {
		return err
	}
	if err := waitState(ctx, w.Offices[0], ids[len(ids)-1], office.Delivered); err != nil {
		return err
	}
	o := w.Offices[0]
	if err := o.Stop(); err != nil {
		return err
	}
	begin = time.Now()
	if err := o.Start(); err != nil {
		return err
	}
	if err := waitReady(ctx, o); err != nil {
		return err
	}
	if err := b.figure(fmt.Sprintf("start to ready with %d documents", n), float64(time.Since(begin).Milliseconds()), "ms", "≤ 300", ""); err != nil {
		return err
	}
	if err := pause(ctx, 15*time.Second); err != nil {
		return err
	}
	rss, err := procField(fmt.Sprintf("/proc/%d/status", o.PID()), "VmRSS:")
	if err != nil {
		return err
	}
	private, err := procField(fmt.Sprintf("/proc/%d/status", o.PID()), "RssAnon:")
	if err != nil {
		return err
	}
	if err := b.figure(fmt.Sprintf("idle RSS of the office with %d documents", n), float64(rss)/1024, "MiB", "≤ 18", ""); err != nil {
		return err
	}
	return b.figure("of which memory of its own; the rest is program text in the page cache", float64(private)/1024, "MiB", "", "")
}

// waitReady asks without pause, since it measures.
func waitReady(ctx context.Context, o *world.Office) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		s, err := o.API.Status(ctx)
		if err == nil && s.State == "ready" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("office is not ready: %w", err)
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

func waitState(ctx context.Context, o *world.Office, id storage.ID, want office.State) error {
	deadline := time.Now().Add(10 * time.Minute)
	for {
		d, err := o.API.Get(ctx, id)
		if err != nil && problem.From(err).Class != problem.NotRunning {
			return err
		}
		if d.State == want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("document %s is still %q", id, d.State)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
