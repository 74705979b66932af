package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tram/cmd/internal/cutdisk"
	"tram/cmd/internal/world"
	"tram/sync/linktest"
)

const (
	// cutDisk is the size of the box's disk, in bytes; the image grows to it.
	cutDisk = 1 << 30
	// cutReadyIn is how long the box may take to be ready, on a busy machine.
	cutReadyIn = 3 * time.Minute
	// cutLeast is how long after it is ready the power goes at the latest, where the
	// machine is quick; else as long as the last start took.
	cutLeast = 20 * time.Second
	// cutWithin is how many writes and flushes after the random instant the power goes in
	// every other cut, so that something is not flushed; cutWithinTime is how long they
	// are waited for.
	cutWithin     = 12
	cutWithinTime = 3 * time.Second
	// cutAhead is how many documents for the box may be under way, so that a slow one
	// is not fed faster than it eats.
	cutAhead = 4
	// cutEarly is one in how many cuts falls into the start itself.
	cutEarly = 5
	// cutDrainIn is how long everything may take to arrive in the end.
	cutDrainIn = 10 * time.Minute
	bulkSize   = 4 << 20 // bytes of the document that an urgent one has to overtake
)

func powercutCommand(bin *string) *cobra.Command {
	p := powercut{count: 100}
	cmd := &cobra.Command{
		Use:   "powercut",
		Short: "Cuts the power of the appliance in an emulator while documents flow both ways",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.prints(cmd)
			if p.quick {
				p.count = min(p.count, 2)
			}
			p.bin = *bin
			p.command = fmt.Sprintf("tram-lab powercut --count %d --memory %d --seed %d", p.count, p.memory, p.seed)
			return p.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&p.count, "count", p.count, "power cuts")
	cmd.Flags().IntVar(&p.memory, "memory", 96, "memory of the box in MiB")
	cmd.Flags().StringVar(&p.image, "image", "dist/image/tram-cloud.img", "image of the appliance: make image IMAGE=cloud")
	cmd.Flags().Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "seed of instants and sizes")
	cmd.Flags().DurationVar(&p.within, "within", 0, "no further cut after this time, whatever --count says; 0: all of them")
	cmd.Flags().StringVar(&p.hold, "hold", "", "while this file exists the box stays dark after a cut, for other work of this machine")
	cmd.Flags().BoolVar(&p.quick, "quick", false, "two cuts")
	return cmd
}

// powercut is one run: office 0 of the world is the one that is moved into the box.
type powercut struct {
	bench
	count, memory int
	image         string
	seed          uint64
	within        time.Duration
	hold          string

	dir    string
	world  *world.World
	host   *world.Office
	box    *box
	random *rand.Rand

	mu       sync.Mutex
	toHost   map[string]string // documents that were said to be saved, with their digest
	toBox    map[string]string
	ahead    []string         // for the box, not there yet
	refused  map[string]int   // calls to the box without an answer, by reason
	durable  map[string]int64 // what the box said to have safe of what arrives
	shrunk   int              // times that less was there after a cut
	resumed  int              // documents that went on in the middle
	boots    []float64        // guest seconds to ready
	lost     cutdisk.Lost
	repaired int // times that e2fsck had more to do than to replay the journal
	pairs    [][2]string
	overtook int // urgent documents that came before the large one, of len(pairs)
}

func (p *powercut) run(ctx context.Context) (err error) {
	begin := time.Now()
	if p.dir, err = os.MkdirTemp("", "tram-powercut-"); err != nil {
		return err
	}
	fmt.Fprintf(p.log, "seed %d, %d cuts, %d MiB, data in %s\n", p.seed, p.count, p.memory, p.dir)
	p.random = rand.New(rand.NewPCG(p.seed, 7))
	p.toHost, p.toBox, p.durable, p.refused = map[string]string{}, map[string]string{}, map[string]int64{}, map[string]int{}
	if err := p.prepare(ctx); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer p.world.Close()
	err = p.storm(ctx)
	var bad badDocuments
	if err == nil {
		bad, err = p.settle(ctx)
	}
	if p.box.cmd != nil {
		_, cut := p.box.cut(p.random)
		err = errors.Join(err, cut)
	}
	if err != nil {
		return fmt.Errorf("seed %d: %w (data kept in %s)", p.seed, err, p.dir)
	}
	if err := p.report(bad, time.Since(begin)); err != nil {
		return err
	}
	if bad != (badDocuments{}) || p.shrunk > 0 || p.overtook < len(p.pairs) {
		return fmt.Errorf("a promise is broken (data kept in %s)", p.dir)
	}
	return os.RemoveAll(p.dir)
}

// prepare starts hub, broker and both offices, then moves office 0 into the image.
func (p *powercut) prepare(ctx context.Context) error {
	mqtt, err := linktest.LoopbackAddr()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(mqtt)
	if err != nil {
		return err
	}
	const hostAsGuestSeesIt = "10.0.2.2"
	if p.world, err = world.Start(ctx, world.Options{
		Dir: filepath.Join(p.dir, "world"), Bin: p.bin, Log: p.log, MQTTAddr: mqtt,
		Env:     []string{"TRAM_HUB_MQTT_ADVERTISE=" + mqtt + "," + net.JoinHostPort(hostAsGuestSeesIt, port)},
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: "H40.12", Name: "UBND xã An Bình"}, {Code: "H40.15", Name: "UBND phường Tân Lập"}},
	}); err != nil {
		return err
	}
	if err := p.world.WaitOnline(ctx); err != nil {
		return err
	}
	p.host = p.world.Offices[1]
	inside := p.world.Offices[0]
	keyFile := filepath.Join(p.dir, "lab.key")
	if _, err := p.world.Run(ctx, "tram", "app", "create", "--data", inside.Dir, "lab", "--kind", "document", "--rate", "60000", "--out", keyFile); err != nil {
		return err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	if err := inside.Stop(); err != nil {
		return err
	}
	web, err := linktest.LoopbackAddr()
	if err != nil {
		return err
	}
	_, webPort, err := net.SplitHostPort(web)
	if err != nil {
		return err
	}
	serial, err := os.Create(filepath.Join(p.dir, "serial.log"))
	if err != nil {
		return err
	}
	p.box = &box{serialLog: serial, dir: p.dir, image: filepath.Join(p.dir, "disk.img"), memory: p.memory, port: webPort, key: strings.TrimSpace(string(key)), http: newHTTP()}
	if err := p.fillDisk(ctx, inside.Dir, net.JoinHostPort(hostAsGuestSeesIt, port)); err != nil {
		return err
	}
	p.box.disk, err = cutdisk.Open(p.box.image)
	return err
}

// fillDisk makes the box's disk: the image, with the office's data folder on its data
// partition and its settings where an officer puts them.
func (p *powercut) fillDisk(ctx context.Context, office, mqtt string) error {
	if err := tool(ctx, "cp", "--sparse=always", p.image, p.box.image); err != nil {
		return err
	}
	if err := os.Truncate(p.box.image, cutDisk); err != nil {
		return err
	}
	settings := filepath.Join(p.dir, "tram.toml")
	text := fmt.Sprintf("mqtt.servers = [%q]\nui.names = [\"127.0.0.1\"]\n", mqtt)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return err
	}
	if err := tool(ctx, "mcopy", "-i", p.box.image+"@@1M", settings, "::tram/tram.toml"); err != nil {
		return err
	}
	var script strings.Builder
	script.WriteString("mkdir /lib\nmkdir /lib/tram\n")
	err := filepath.WalkDir(office, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == office {
			return err
		}
		rel, err := filepath.Rel(office, path)
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			fmt.Fprintf(&script, "mkdir /lib/tram/%s\nset_inode_field /lib/tram/%[1]s mode 040700\n", rel)
		case e.Type().IsRegular():
			fmt.Fprintf(&script, "write %s /lib/tram/%s\nset_inode_field /lib/tram/%[2]s mode 0100600\n", path, rel)
		}
		return nil
	})
	if err != nil {
		return err
	}
	commands := filepath.Join(p.dir, "debugfs")
	if err := os.WriteFile(commands, []byte(script.String()), 0o600); err != nil {
		return err
	}
	if err := tool(ctx, "debugfs", "-w", "-f", commands, p.dataPartition(p.box.image)); err != nil {
		return err
	}
	// debugfs does not count quotas: that is put right here, which e2fsck says with 1.
	if err := tool(ctx, "e2fsck", "-fy", p.dataPartition(p.box.image)); err != nil && !corrected(err) {
		return err
	}
	return tool(ctx, "e2fsck", "-fn", p.dataPartition(p.box.image))
}

// dataPartition names the file system in an image, for the tools of ext4.
func (p *powercut) dataPartition(image string) string {
	return fmt.Sprintf("%s?offset=%d", image, dataOffset)
}

// tool runs a program of the machine.
func tool(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out[max(0, len(out)-2000):])
	}
	return nil
}

// corrected tells whether e2fsck put right what it found.
func corrected(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 1
}

// storm cuts the power again and again while both sides send.
func (p *powercut) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := p.box.on(); err != nil {
		return err
	}
	if _, err := p.box.wait(ctx, cutReadyIn); err != nil {
		return err
	}
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for _, send := range []func(context.Context, int, *rand.Rand) error{p.sendFromBox, p.sendFromHost} {
		random := rand.New(rand.NewPCG(p.seed, p.random.Uint64()))
		senders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := send(ctx, n, random); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	begin := time.Now()
	for n := range p.count {
		if p.within > 0 && time.Since(begin) > p.within {
			p.count = n
			break
		}
		if err := p.cutOnce(ctx, n); err != nil {
			cancel(fmt.Errorf("cut %d: %w", n+1, err))
			break
		}
	}
	close(stop)
	senders.Wait()
	return context.Cause(ctx)
}

// cutOnce waits for a random instant, cuts, looks at the disk and starts again. The
// box is on before and after.
func (p *powercut) cutOnce(ctx context.Context, n int) error {
	if p.random.IntN(cutEarly) == 0 {
		// Once more, into the start.
		if err := p.watch(ctx, p.instant()); err != nil {
			return err
		}
		if err := p.cutAndLook(ctx); err != nil {
			return err
		}
		if err := p.box.on(); err != nil {
			return err
		}
		if err := pause(ctx, p.instant()); err != nil {
			return err
		}
	} else if err := p.watch(ctx, p.instant()); err != nil {
		return err
	}
	if err := p.cutAndLook(ctx); err != nil {
		return err
	}
	if err := p.pair(ctx, n); err != nil {
		return err
	}
	if err := p.waitToGoOn(ctx); err != nil {
		return err
	}
	if err := p.box.on(); err != nil {
		return err
	}
	seconds, err := p.box.wait(ctx, cutReadyIn)
	if err != nil {
		return err
	}
	p.boots = append(p.boots, seconds)
	fmt.Fprintf(p.log, "cut %d of %d: ready again after %.1f s; %d of %d unflushed writes forgotten so far; %d + %d documents\n",
		n+1, p.count, seconds, p.lost.Forgotten, p.lost.Volatile, len(p.toHost), len(p.toBox))
	return nil
}

// waitToGoOn keeps the box dark while the machine is wanted for other work.
func (p *powercut) waitToGoOn(ctx context.Context) error {
	for p.hold != "" {
		if _, err := os.Stat(p.hold); err != nil {
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// instant is how long the power stays on: long enough, now and then, for work to be
// done on this machine.
func (p *powercut) instant() time.Duration {
	return time.Duration(p.random.Int64N(int64(max(cutLeast, p.box.took))))
}

// watch follows what arrives at the box until the power goes, and holds it against
// what was safe before the last cut (P4).
func (p *powercut) watch(ctx context.Context, most time.Duration) error {
	before := p.durable
	p.durable = map[string]int64{}
	for end := time.Now().Add(most); ; {
		call, cancel := context.WithDeadline(ctx, end)
		now, err := p.box.arriving(call)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			p.refuse(err) // a busy box; what is safe in it is looked at the next time
		}
		for id, received := range now {
			if was, ok := before[id]; ok {
				if received < was {
					p.shrunk++
					fmt.Fprintf(p.log, "%s: %d bytes were safe, now %d\n", id, was, received)
				} else if was > 0 {
					p.resumed++
				}
				delete(before, id)
			}
			p.durable[id] = received
		}
		if time.Now().After(end) {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
