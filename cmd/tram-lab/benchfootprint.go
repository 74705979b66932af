package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// footprint measures what Trạm costs a small machine: memory, processor, start, and
// what it has flash write.
type footprint struct {
	bench
	count, size int // documents, and bytes of content of each
	starts      int
	settle      time.Duration // before the figures at rest: what a start leaves is given back
	idle        time.Duration // how long rest is watched

	w     *world.World
	disks []ownDisk  // of the programs in their order; none: they share this machine's
	day   [3]float64 // bytes that each writes on a day at rest,
	each  [3]float64 // and for a document
}

// programs are the parts of the world in the order of counts.
var programs = []string{"sending office", "receiving office", "hub"}

func benchFootprintCommand(bin *string) *cobra.Command {
	f := footprint{starts: 5}
	cmd := &cobra.Command{
		Use:   "footprint",
		Short: "Measures size, memory, processor, start, and what is written to disk per document and day; as root the journal of the file system too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.bin = *bin
			f.prints(cmd)
			f.command = "tram-lab bench footprint"
			if f.quick {
				f.count, f.settle, f.idle = min(f.count, 50), 5*time.Second, 15*time.Second
				f.command += " --quick"
			}
			f.command += fmt.Sprintf(" --count %d --idle %v", f.count, f.idle)
			return f.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&f.quick, "quick", false, "under a minute, with fewer documents and a shorter rest")
	cmd.Flags().IntVar(&f.count, "count", 1000, "documents of --size bytes, one after the other")
	cmd.Flags().IntVar(&f.size, "size", 200_000, "content of a document in bytes, which does not compress")
	cmd.Flags().DurationVar(&f.settle, "settle", time.Minute, "wait before the figures at rest")
	cmd.Flags().DurationVar(&f.idle, "idle", 10*time.Minute, "how long the programs are watched at rest; a day is computed from it")
	return cmd
}

func (f *footprint) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tram-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := f.binaries(dir); err != nil {
		return err
	}
	defer func() {
		for _, d := range f.disks {
			err = errors.Join(err, d.close())
		}
	}()
	if err := f.mount(ctx, dir); err != nil {
		return err
	}
	f.w, err = world.Start(ctx, world.Options{
		Dir: filepath.Join(dir, "world"), Bin: f.bin, Log: f.log,
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: "H40.12", Name: "UBND xã An Bình"}, {Code: "H40.15", Name: "UBND phường Tân Lập"}},
	})
	if err != nil {
		return err
	}
	defer f.w.Close()
	for _, measure := range []func(context.Context) error{f.start, f.rest, f.documents, f.wear} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mount gives each program a disk of its own when this is root.
func (f *footprint) mount(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		fmt.Fprintln(f.log, "not root: what the journal of the file system writes is not counted")
		return nil
	}
	for i, name := range []string{"h40.12", "h40.15", "hub"} {
		d, err := newDisk(ctx, filepath.Join(dir, fmt.Sprintf("disk%d", i)), filepath.Join(dir, "world", name))
		if err != nil {
			return err
		}
		f.disks = append(f.disks, d)
	}
	return nil
}

func (f *footprint) processes() []*world.Process {
	return []*world.Process{f.w.Offices[0].Process, f.w.Offices[1].Process, f.w.Hub}
}

// counts are what a program and its disk have counted so far.
type counts struct {
	bytes  int64 // that the program wrote to files
	device int64 // that its disk was told to write
	cpu    time.Duration
}

func (f *footprint) counted(ctx context.Context) ([]counts, error) {
	var all []counts
	for i, p := range f.processes() {
		var c counts
		var err error
		if c.bytes, err = procField(fmt.Sprintf("/proc/%d/io", p.PID()), "write_bytes:"); err != nil {
			return nil, err
		}
		if c.cpu, err = processor(p.PID()); err != nil {
			return nil, err
		}
		if len(f.disks) > 0 {
			if c.device, err = f.disks[i].written(ctx); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// processor is how long the processors have worked for a process.
func processor(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, which may hold spaces
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond // proc_pid_stat(5); USER_HZ is 100
	if len(fields) <= system {
		return 0, fmt.Errorf("process %d has no times", pid)
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * tick, err
}

// start measures how long an office takes from its start to its answer.
func (f *footprint) start(ctx context.Context) error {
	if err := f.w.WaitOnline(ctx); err != nil {
		return err
	}
	o := f.w.Offices[0]
	var took, worked []float64
	for range f.starts {
		if err := o.Stop(); err != nil {
			return err
		}
		begin := time.Now()
		if err := o.Start(); err != nil {
			return err
		}
		if err := waitReady(ctx, o); err != nil {
			return err
		}
		took = append(took, float64(time.Since(begin).Milliseconds()))
		cpu, err := processor(o.PID())
		if err != nil {
			return err
		}
		worked = append(worked, float64(cpu.Milliseconds()))
	}
	slices.Sort(took)
	slices.Sort(worked)
	return errors.Join(
		f.figure(fmt.Sprintf("start of an office to ready, middle of %d", f.starts), took[len(took)/2], "ms", "≤ 300", ""),
		f.figure("of which processor time", worked[len(worked)/2], "ms", "≤ 150", ""))
}

// rest measures the programs while nobody uses them.
func (f *footprint) rest(ctx context.Context) error {
	if err := errors.Join(f.w.WaitOnline(ctx), pause(ctx, f.settle)); err != nil {
		return err
	}
	before, err := f.counted(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, f.idle); err != nil {
		return err
	}
	after, err := f.counted(ctx)
	if err != nil {
		return err
	}
	days := f.idle.Hours() / 24
	for i, p := range f.processes() {
		who := programs[i] + " at rest"
		if err := f.memory(p.PID(), who); err != nil {
			return err
		}
		a, b := after[i], before[i]
		err := errors.Join(
			f.figure("processor time a day, "+who, (a.cpu-b.cpu).Seconds()/days, "s", aims[i].cpu, ""),
			f.figure("written to files a day, "+who, float64(a.bytes-b.bytes)/days/1e6, "MB", aims[i].bytes, ""))
		f.day[i] = float64(a.bytes-b.bytes) / days
		if len(f.disks) > 0 {
			f.day[i] = float64(a.device-b.device) / days
			err = errors.Join(err, f.figure("written to disk with the file system's journal a day, "+who, f.day[i]/1e6, "MB", aims[i].device, ""))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// memory tells what a process holds.
func (f *footprint) memory(pid int, who string) error {
	for _, m := range []struct{ field, says, aim string }{
		{"VmRSS:", "memory (VmRSS), ", "≤ 45"},
		{"RssAnon:", "of which its own, the rest is program text in the page cache (RssAnon), ", "≤ 18"},
	} {
		kib, err := procField(fmt.Sprintf("/proc/%d/status", pid), m.field)
		if err != nil {
			return err
		}
		if err := f.figure(m.says+who, float64(kib)/1024, "MiB", m.aim, ""); err != nil {
			return err
		}
	}
	return nil
}

// documents measures what documents one after the other have flash write.
func (f *footprint) documents(ctx context.Context) error {
	if _, err := f.deliver(ctx, 3); err != nil { // what is made once
		return err
	}
	before, err := f.counted(ctx)
	if err != nil {
		return err
	}
	took, err := f.deliver(ctx, f.count)
	if err != nil {
		return err
	}
	after, err := f.counted(ctx)
	if err != nil {
		return err
	}
	of := fmt.Sprintf(" for each byte of content, %d documents of %d kB, ", f.count, f.size/1000)
	content := float64(f.count) * float64(f.size)
	for i, p := range f.processes() {
		a, b := after[i], before[i]
		err := f.figure("bytes written to files"+of+programs[i], float64(a.bytes-b.bytes)/content, "", aims[i].files, "")
		f.each[i] = float64(a.bytes-b.bytes) / float64(f.count)
		if len(f.disks) > 0 {
			f.each[i] = float64(a.device-b.device) / float64(f.count)
			err = errors.Join(err, f.figure("bytes written to disk with the file system's journal"+of+programs[i], float64(a.device-b.device)/content, "", aims[i].disk, ""))
		}
		peak, e := procField(fmt.Sprintf("/proc/%d/status", p.PID()), "VmHWM:")
		if err = errors.Join(err, e); err != nil {
			return err
		}
		if err := f.figure("peak memory (VmHWM), "+programs[i], float64(peak)/1024, "MiB", "≤ 64", ""); err != nil {
			return err
		}
	}
	return f.figure(fmt.Sprintf("%d documents of %d kB one after the other, until the last receipt", f.count, f.size/1000), took.Seconds(), "s", "", "")
}

// deliver sends documents one after the other and waits for the last receipt.
func (f *footprint) deliver(ctx context.Context, n int) (time.Duration, error) {
	begin := time.Now()
	var ids []storage.ID
	for i := range n {
		id, err := send(ctx, f.w.Offices[0], f.w.Offices[1].Spec.Code, sample.Document{
			Subject: fmt.Sprintf("V/v đo lượng ghi số %d", i),
			Files:   []sample.File{{Name: "van-ban.pdf", Data: sample.SmallPDF(f.size, uint64(n)<<32+uint64(i))}},
		})
		if err != nil {
			return 0, err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if err := waitState(ctx, f.w.Offices[0], id, office.Delivered); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// A flash that offices are bought with, and how it is used: the note on flash wear in
// firmware-notes says where these come from.
const (
	flashBytes         = 8e9
	flashCycles        = 3000
	flashAmplification = 4 // that the device adds; no maker says
	documentsADay      = 100
)

// wear computes how long the flash of an office lasts.
func (f *footprint) wear(context.Context) error {
	each := (f.each[0] + f.each[1]) / 2
	return f.figure(fmt.Sprintf("life of eMMC of 8 GB and %d cycles with %d documents of %d kB a day, half sent, half received, if the device writes each byte %d times",
		flashCycles, documentsADay, f.size/1000, flashAmplification), flashYears(documentsADay, each, f.day[0]), "years", "≥ 15", "")
}

// flashYears is the life of such a flash with n documents a day for which each bytes
// are written, and rest bytes a day besides.
func flashYears(n, each, rest float64) float64 {
	return flashBytes * flashCycles / (flashAmplification * 365 * (n*each + rest))
}

// budget are the aims of one program.
type budget struct{ cpu, bytes, device, files, disk string }

// aims are the budgets of the programs in their order: what was reached, and a tenth
// to a half above it, since a virtual machine that does other work measures it.
var aims = []budget{
	{cpu: "≤ 120", bytes: "≤ 10", device: "≤ 40", files: "≤ 6", disk: "≤ 6.7"},
	{cpu: "≤ 120", bytes: "≤ 10", device: "≤ 40", files: "≤ 5", disk: "≤ 6.2"},
	{cpu: "≤ 240", bytes: "≤ 60", device: "≤ 150", files: "≤ 3.4", disk: "≤ 4.5"},
}
