package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// drainIn is how long the world may take, after the last kill, until all that
// was said to be saved has arrived.
const drainIn = 3 * time.Minute

func killCommand(bin *string) *cobra.Command {
	k := killTest{}
	cmd := &cobra.Command{
		Use:   "kill",
		Short: "Kills agent, hub and broker at random instants while documents flow both ways",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.bin, k.out, k.log = *bin, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return k.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&k.count, "count", 50, "how often each of agent, hub and broker is killed")
	cmd.Flags().IntVar(&k.documents, "documents", 30, "documents that flow, half each way")
	cmd.Flags().Uint64Var(&k.seed, "seed", uint64(time.Now().UnixNano()), "seed of instants and sizes; printed for a repetition")
	cmd.Flags().StringVar(&k.broker, "broker", "mosquitto", "broker to be killed: mosquitto, or embedded (then it dies with the hub)")
	return cmd
}

type killTest struct {
	bin, broker string
	count       int
	documents   int
	seed        uint64
	out, log    io.Writer

	mu    sync.Mutex
	saved []savedDocument // said to be safe by the sender
}

type savedDocument struct {
	id       storage.ID
	from, to int // indexes of offices
	digest   string
}

type killResult struct {
	Figure  string         `json:"figure"`
	Value   int            `json:"value"` // documents lost or doubled
	Unit    string         `json:"unit"`
	Aim     string         `json:"aim"`
	Kills   map[string]int `json:"kills"`
	Saved   int            `json:"documents_saved"`
	Seed    uint64         `json:"seed"`
	Broker  string         `json:"broker"`
	Seconds float64        `json:"seconds"`
	Command string         `json:"command"`
	At      string         `json:"at"`
}

func (k *killTest) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tram-kill-")
	if err != nil {
		return err
	}
	begin := time.Now()
	fmt.Fprintf(k.log, "kill test: seed %d, %d kills each, %d documents, data in %s\n", k.seed, k.count, k.documents, dir)
	mosquitto, err := k.mosquitto()
	if err != nil {
		return err
	}
	w, err := world.Start(ctx, world.Options{
		Dir: dir, Bin: k.bin, Log: k.log, Mosquitto: mosquitto,
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: "H40.12", Name: "UBND xã An Bình"}, {Code: "H40.15", Name: "UBND phường Tân Lập"}},
	})
	if err != nil {
		return err
	}
	defer w.Close()
	kills, err := k.storm(ctx, w)
	if err != nil {
		return err
	}
	bad, err := k.settle(ctx, w)
	if err != nil {
		return fmt.Errorf("seed %d: %w (data kept in %s)", k.seed, err, dir)
	}
	result, err := json.Marshal(killResult{
		Figure: "documents lost or doubled under SIGKILL", Value: bad, Unit: "documents", Aim: "0", Kills: kills, Saved: len(k.saved), Seed: k.seed,
		Broker: k.broker, Seconds: time.Since(begin).Seconds(),
		Command: fmt.Sprintf("tram-lab kill --count %d --documents %d --seed %d --broker %s", k.count, k.documents, k.seed, k.broker),
		At:      time.Now().Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(k.out, "%s\n", result)
	return os.RemoveAll(dir)
}

func (k *killTest) mosquitto() (string, error) {
	if k.broker == "embedded" {
		return "", nil
	}
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("mosquitto is not installed: apt-get install mosquitto, or use --broker embedded")
}

// storm sends documents both ways while processes die, and returns when all
// documents are saved and all kills are done.
func (k *killTest) storm(ctx context.Context, w *world.World) (map[string]int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var senders sync.WaitGroup
	for i := range w.Offices {
		senders.Go(func() {
			if err := k.send(ctx, w, i); err != nil {
				cancel(err)
			}
		})
	}
	kills, err := k.killAll(ctx, w)
	if err != nil {
		cancel(err)
	}
	senders.Wait()
	return kills, context.Cause(ctx)
}

// send hands over this office's half of the documents, spread over the storm.
// A call that fails because a process died is repeated: what was not said to
// be saved is the sender's to repeat.
func (k *killTest) send(ctx context.Context, w *world.World, from int) error {
	random := rand.New(rand.NewPCG(k.seed, uint64(from)))
	to := 1 - from
	for n := range k.documents / 2 {
		size := 3000 + random.IntN(60_000)
		if n%5 == 0 {
			size = 1<<20 + random.IntN(2<<20)
		}
		data := sample.SmallPDF(size, random.Uint64())
		for {
			doc, err := w.Offices[from].API.Send(ctx, api.DraftRequest{
				To: []string{w.Offices[to].Spec.Code}, Subject: fmt.Sprintf("V/v thử ngắt điện số %d", n),
				Urgency: uint8(random.IntN(4)), Files: []string{"van-ban.pdf"}, By: "lab",
			}, []io.Reader{bytes.NewReader(data)})
			if err == nil {
				k.mu.Lock()
				k.saved = append(k.saved, savedDocument{doc.ID, from, to, doc.Attachments[0].SHA256})
				k.mu.Unlock()
				break
			}
			if p := problem.From(err); p.Class == problem.Usage && p.Code != "send.recipient-not-enrolled" {
				return err
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Duration(random.IntN(2*k.count*1000/max(1, k.documents)+20))*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// killAll kills and restarts the programs in random order at random instants.
func (k *killTest) killAll(ctx context.Context, w *world.World) (map[string]int, error) {
	random := rand.New(rand.NewPCG(k.seed, 99))
	victims := []string{"agent", "hub"}
	if w.Broker != nil {
		victims = append(victims, "broker")
	}
	var plan []string
	for _, v := range victims {
		for range k.count {
			plan = append(plan, v)
		}
	}
	random.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	done := map[string]int{}
	for n, victim := range plan {
		if err := pause(ctx, time.Duration(random.IntN(700))*time.Millisecond); err != nil {
			return done, err
		}
		if err := k.killOne(ctx, w, victim, random); err != nil {
			return done, fmt.Errorf("kill %d (%s): %w", n, victim, err)
		}
		done[victim]++
		if (n+1)%10 == 0 {
			fmt.Fprintf(k.log, "%d of %d kills\n", n+1, len(plan))
		}
	}
	return done, nil
}

func (k *killTest) killOne(ctx context.Context, w *world.World, victim string, random *rand.Rand) error {
	var p *world.Process
	wait := func(context.Context) error { return nil }
	switch victim {
	case "agent":
		o := w.Offices[random.IntN(len(w.Offices))]
		p, wait = o.Process, o.Wait
	case "hub":
		p, wait = w.Hub, w.WaitHub
	case "broker":
		p, wait = w.Broker, w.WaitBroker
	}
	if err := p.Kill(); err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	if random.IntN(3) == 0 {
		return nil // the next kill may come while this one starts
	}
	return wait(ctx)
}

// settle waits until everything has arrived and counts what did not, what came
// twice and what is not the same; then it checks the audit chains.
func (k *killTest) settle(ctx context.Context, w *world.World) (bad int, err error) {
	for _, o := range w.Offices {
		if err := o.Wait(ctx); err != nil {
			return 0, err
		}
	}
	deadline := time.Now().Add(drainIn)
	for {
		missing, err := k.missing(ctx, w)
		if err != nil {
			return 0, err
		}
		if missing == 0 {
			break
		}
		if time.Now().After(deadline) {
			return missing, fmt.Errorf("%d of %d saved documents have not arrived with a receipt", missing, len(k.saved))
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
	doubled, err := k.doubled(ctx, w)
	if err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	dirs := map[string]string{w.HubDir(): "tram-hub"}
	for _, o := range w.Offices {
		dirs[o.Dir] = "tram"
	}
	for dir, program := range dirs {
		if _, err := w.Run(ctx, program, "audit", "verify", "--data", dir); err != nil {
			return doubled, fmt.Errorf("audit chain: %w", err)
		}
	}
	return doubled, nil
}

// missing counts saved documents that are not whole at the receiver or whose
// sender lacks the receipt.
func (k *killTest) missing(ctx context.Context, w *world.World) (int, error) {
	n := 0
	for _, s := range k.saved {
		got, err := w.Offices[s.to].API.Get(ctx, s.id)
		if err != nil {
			if problem.From(err).Class != problem.NotFound {
				return 0, err
			}
			n++
			continue
		}
		if len(got.Attachments) != 1 || got.Attachments[0].SHA256 != s.digest {
			return 0, fmt.Errorf("document %s arrived altered", s.id)
		}
		sent, err := w.Offices[s.from].API.Get(ctx, s.id)
		if err != nil {
			return 0, err
		}
		if sent.State != office.Delivered {
			n++
		}
	}
	return n, nil
}

// doubled counts incoming documents that stand twice or that nobody saved. A
// document whose sender was killed before it could say "saved" may be there.
func (k *killTest) doubled(ctx context.Context, w *world.World) (int, error) {
	n := 0
	for i := range w.Offices {
		page, err := w.Offices[i].API.Documents(ctx, office.Query{Box: office.In, Limit: office.MaxPage})
		if err != nil {
			return 0, err
		}
		seen := map[storage.ID]bool{}
		for _, d := range page.Documents {
			if seen[d.ID] {
				n++
			}
			seen[d.ID] = true
			if _, err := w.Offices[1-i].API.Get(ctx, d.ID); err != nil {
				return n, fmt.Errorf("document %s came from nowhere: %w", d.ID, err)
			}
		}
	}
	return n, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
