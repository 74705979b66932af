package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
)

// Sizes of the two forms: messages dropped at once, bytes of each, SIGKILLs of the
// office on the way.
const (
	fullDrop, quickDrop           = 1000, 60
	fullDropSize, quickDropSize   = 1 << 20, 200 << 10
	fullDropKills, quickDropKills = 3, 1
	dropIn                        = 30 * time.Minute // bounds the whole run
)

// Figures that a test looks at.
const (
	figureDropLost = "hot folder: messages lost, doubled or set aside"
	figureDropKill = "hot folder: SIGKILLs of the office on the way"
)

func hotfolderCommand(bin *string) *cobra.Command {
	h := hotdrop{}
	cmd := &cobra.Command{
		Use:   "hotfolder",
		Short: "Drops many edXML files at once into the folder of an office that is killed on the way",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h.bin = *bin
			h.prints(cmd)
			for _, f := range []struct {
				name         string
				value        *int
				usual, quick int
			}{{"files", &h.files, fullDrop, quickDrop}, {"size", &h.bytes, fullDropSize, quickDropSize}, {"kills", &h.kills, fullDropKills, quickDropKills}} {
				if !cmd.Flags().Changed(f.name) {
					*f.value = h.size(f.usual, f.quick)
				}
			}
			h.command = fmt.Sprintf("tram-lab hotfolder --files %d --size %d --kills %d", h.files, h.bytes, h.kills)
			return h.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&h.files, "files", fullDrop, "messages")
	cmd.Flags().IntVar(&h.bytes, "size", fullDropSize, "bytes of each")
	cmd.Flags().IntVar(&h.kills, "kills", fullDropKills, "SIGKILLs of the office while it takes them")
	cmd.Flags().BoolVar(&h.quick, "quick", false, "under a minute, with fewer and smaller messages")
	return cmd
}

// hotdrop is one run: everything is dropped at once, and every message has to come
// to the other office once.
type hotdrop struct {
	bench
	files, bytes, kills int
	world               *world.World
	tree                string
	killed              int
	peak                int64   // of every process of the office, kB
	spent, now          float64 // CPU seconds of its former processes, and of this one
}

func (h *hotdrop) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, dropIn)
	defer cancel()
	dir, err := os.MkdirTemp("", "tram-hotfolder-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if h.world, err = world.Start(ctx, world.Options{
		Dir: filepath.Join(dir, "world"), Bin: h.bin, Log: h.log,
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: "H40.12", Name: "UBND xã An Bình"}, {Code: "H40.15", Name: "UBND phường Tân Lập"}},
	}); err != nil {
		return err
	}
	defer h.world.Close()
	h.tree = filepath.Join(dir, "chung")
	if err := h.prepare(ctx, filepath.Join(dir, "stock")); err != nil {
		return err
	}
	begin := time.Now()
	if err := h.drop(filepath.Join(dir, "stock")); err != nil {
		return err
	}
	taken, err := h.takeAll(ctx)
	if err != nil {
		return err
	}
	arrived, bad, err := h.arrive(ctx)
	if err != nil {
		return err
	}
	return h.report(taken.Sub(begin), arrived.Sub(begin), bad)
}

// prepare joins the folder to the office, and writes the messages beside it.
func (h *hotdrop) prepare(ctx context.Context, stock string) error {
	for _, d := range []string{h.tree, stock} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if _, err := h.world.Run(ctx, "tram", "connector", "add", "hotfolder", "lab", "dir="+h.tree, "settle=1s", "--data", h.world.Offices[0].Dir); err != nil {
		return err
	}
	for n := range h.files {
		data, err := h.message(n)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(stock, fmt.Sprintf("vb-%04d.edxml", n)), data, 0o644); err != nil {
			return err
		}
	}
	for {
		_, err := os.Stat(filepath.Join(h.tree, "gui"))
		if err == nil {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// message is a document of about the wanted size, attachments in base64 included.
func (h *hotdrop) message(n int) ([]byte, error) {
	from, to := h.world.Offices[0].Spec, h.world.Offices[1].Spec
	now := time.Now()
	number := strconv.Itoa(n + 1)
	var b bytes.Buffer
	d := &edxml.Document{
		From: edxml.Organ{ID: from.Code, Name: from.Name}, To: []edxml.Organ{{ID: to.Code, Name: to.Name}},
		ID: dropID(n), Code: edxml.Code{Number: number, Notation: "UBND-VP"}, Place: "An Bình", Date: edxml.DateOf(now),
		Type: edxml.Type{Number: "18", Detail: "0", Name: "Công văn"}, Subject: "Báo cáo số " + number, Content: "Báo cáo số " + number,
		Signer: edxml.Signer{FullName: "Nguyễn Văn Mẫu"}, SteeringType: "1",
		Other:    edxml.Other{Priority: "0", Sphere: "Công khai", Typist: "VT", Amount: "1", Pages: "1", Direction: "false"},
		Trace:    []edxml.Trace{{OrganID: from.Code, Time: now}},
		Business: &edxml.Business{Operation: edxml.OpNew, Reason: "Văn bản điện tử mới", Paper: "0", Staff: &edxml.Staff{Department: "Văn thư"}},
		Manifest: []edxml.Reference{{ContentID: dropID(n) + "-1", Name: "van-ban.pdf"}},
	}
	pdf := sample.SmallPDF(h.bytes/4*3, rand.Uint64())
	err := edxml.EncodeFull(&b, d, []func() (io.ReadCloser, error){
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(pdf)), nil },
	}, edxml.Assurance{Known: func(string) bool { return true }, NotSecret: true})
	return b.Bytes(), err
}

func dropID(n int) string { return fmt.Sprintf("lab-hotfolder-%04d", n) }

// drop copies everything, as a program does that knows nothing of the folder.
func (h *hotdrop) drop(stock string) error {
	for n := range h.files {
		name := fmt.Sprintf("vb-%04d.edxml", n)
		data, err := os.ReadFile(filepath.Join(stock, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(h.tree, "gui", name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func count(dir string) (int, error) {
	list, err := os.ReadDir(dir)
	return len(list), err
}

// takeAll waits until the office has everything, and kills it on the way.
func (h *hotdrop) takeAll(ctx context.Context) (time.Time, error) {
	first := h.world.Offices[0]
	for {
		n, err := count(filepath.Join(h.tree, "da-gui"))
		if err != nil {
			return time.Time{}, err
		}
		h.measure(first.PID())
		if h.killed < h.kills && n >= (h.killed+1)*h.files/(h.kills+1) {
			fmt.Fprintf(h.log, "killing the office with %d of %d files handed over\n", n, h.files)
			if err := first.Kill(); err != nil {
				return time.Time{}, err
			}
			h.killed++
			h.spent, h.now = h.spent+h.now, 0
			if err := first.Start(); err != nil {
				return time.Time{}, err
			}
			if err := first.Wait(ctx); err != nil {
				return time.Time{}, err
			}
		}
		if n >= h.files {
			return time.Now(), nil
		}
		if set, err := count(filepath.Join(h.tree, "loi")); err != nil || set > 0 {
			return time.Time{}, fmt.Errorf("%d files are set aside, %w", set, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return time.Time{}, err
		}
	}
}

func (h *hotdrop) measure(pid int) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return // it is just being started
	}
	if cpu, err := cpuSeconds(pid); err == nil {
		h.now = cpu
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				h.peak = max(h.peak, kB)
			}
		}
	}
}

// arrive waits until the other office has everything and counts what is missing
// or there twice.
func (h *hotdrop) arrive(ctx context.Context) (at time.Time, bad int, err error) {
	for {
		found, err := h.arrived(ctx)
		if err != nil && problem.From(err).Class != problem.NotRunning {
			return time.Time{}, 0, err
		}
		h.measure(h.world.Offices[0].PID())
		if len(found) >= h.files {
			at = time.Now()
			for n := range h.files {
				if found[dropID(n)] != 1 {
					bad++
				}
				delete(found, dropID(n))
			}
			return at, bad + len(found), nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return time.Time{}, 0, fmt.Errorf("%d of %d have arrived: %w", len(found), h.files, err)
		}
	}
}

// arrived counts the incoming documents of the other office by DocumentId.
func (h *hotdrop) arrived(ctx context.Context) (map[string]int, error) {
	found := map[string]int{}
	for offset := 0; ; offset += office.MaxPage {
		page, err := h.world.Offices[1].API.Documents(ctx, office.Query{Box: office.In, Offset: offset, Limit: office.MaxPage})
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			found[d.EdXMLID]++
		}
		if len(page.Documents) < office.MaxPage {
			return found, nil
		}
	}
}

func (h *hotdrop) report(taken, arrived time.Duration, bad int) error {
	left, err := count(filepath.Join(h.tree, "dang-gui"))
	if err != nil {
		return err
	}
	cpu := h.spent + h.now
	mb := float64(h.files) * float64(h.bytes) / 1e6
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
	}{
		{figureDropLost, float64(bad + left), "messages", "0"},
		{figureDropKill, float64(h.killed), "", ""},
		{fmt.Sprintf("hot folder: %d messages of %d kB dropped at once until the office has them all", h.files, h.bytes>>10), taken.Seconds(), "s", ""},
		{"hot folder: messages taken over", float64(h.files) / taken.Seconds(), "1/s", ""},
		{"hot folder: content taken over", mb / taken.Seconds(), "MB/s", ""},
		{"hot folder: until the other office has them all", arrived.Seconds(), "s", ""},
		{"hot folder: messages from drop to the other office", float64(h.files) / arrived.Seconds(), "1/s", ""},
		{"hot folder: CPU of the office for one message, sealing and sending included", cpu / float64(h.files) * 1e3, "ms", ""},
		{"hot folder: peak memory of the office (VmHWM)", float64(h.peak) / 1024, "MiB", "≤ 64"},
	} {
		if err := h.figure(f.name, f.value, f.unit, f.aim, ""); err != nil {
			return err
		}
	}
	return nil
}
