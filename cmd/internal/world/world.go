// Package world starts a whole Trạm on one machine from the built programs: a
// hub and some offices, each a real process with its own data folder, set up
// with the same commands that a person types. The lab's demonstration, the
// kill test, the benchmarks and the end-to-end tests stand on it.
//
// Everything listens on loopback unless the options say otherwise, and processes are ended by their id.
package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/api"
	"tram/sync/linktest"
)

// Spec names an office to be started.
type Spec struct {
	Code, Name string
	UI         string   // address of its page; "" takes a free port
	Env        []string // added to its process's environment
	// Prefix is the command that starts its programs, such as one that enters a
	// network namespace; nil starts them here.
	Prefix []string
}

// Options configures a World.
type Options struct {
	Dir     string // scratch folder, created when missing
	Bin     string // folder with tram and tram-hub
	Hub     Spec   // UI is the console's address
	Offices []Spec
	Log     io.Writer // says what is being done; nil for silence
	// MQTTAddr and EnrollAddr are where the hub listens; "" takes a free port of
	// loopback.
	MQTTAddr, EnrollAddr string
	// Mosquitto is the path of a real Mosquitto to be used as the broker, "" for
	// the one inside tram-hub.
	Mosquitto string
	// MosquittoAs is the account that it runs as; "" is that of this process.
	MosquittoAs string
	// Broker are the nodes of a running broker to be used, and BrokerCA the PEM
	// file of the CA that issued their certificates; nil for the one inside.
	Broker   []string
	BrokerCA string
	Upstream *World   // running world of the hub above; nil for none
	Env      []string // added to each process's environment
}

// World is a running hub with its offices.
type World struct {
	Hub     *Process
	Broker  *Process // nil with the embedded broker
	Offices []*Office
	o       Options
	mqtt    string
	enroll  string
}

// Office is a running office.
type Office struct {
	*Process
	Spec Spec
	API  *api.Client
}

// readyIn is how long a program may take until it answers.
const readyIn = 30 * time.Second

// Start builds the world: hub, invites, enrolment, offices. On an error
// everything started is ended.
func Start(ctx context.Context, o Options) (*World, error) {
	w, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	return w, w.Begin(ctx)
}

// Prepare makes the hub's data folder and starts nothing yet.
func Prepare(ctx context.Context, o Options) (w *World, err error) {
	w = &World{o: o, mqtt: o.MQTTAddr, enroll: o.EnrollAddr}
	if w.mqtt == "" {
		if w.mqtt, err = linktest.LoopbackAddr(); err != nil {
			return nil, err
		}
	}
	if w.enroll == "" {
		if w.enroll, err = linktest.LoopbackAddr(); err != nil {
			return nil, err
		}
	}
	return w, w.initHub(ctx)
}

// Begin starts what Prepare has prepared. On an error everything started is
// ended.
func (w *World) Begin(ctx context.Context) error {
	err := w.begin(ctx)
	if err != nil {
		w.Close()
	}
	return err
}

func (w *World) begin(ctx context.Context) error {
	if err := w.joinUpstream(ctx); err != nil {
		return err
	}
	invites := filepath.Join(w.o.Dir, "invites")
	if err := w.invite(ctx, invites); err != nil {
		return err
	}
	if err := w.startBroker(ctx); err != nil {
		return err
	}
	w.Hub = newProcess(w.o.Hub.command(filepath.Join(w.o.Bin, "tram-hub")), w.HubDir(), slices.Concat(w.o.Env, w.o.Hub.Env), "run", "--data", w.HubDir())
	if err := w.Hub.Start(); err != nil {
		return err
	}
	if err := w.WaitHub(ctx); err != nil {
		return err
	}
	for _, spec := range w.o.Offices {
		office, err := w.startOffice(ctx, spec, invites)
		if office != nil {
			w.Offices = append(w.Offices, office)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *World) say(format string, args ...any) {
	if w.o.Log != nil {
		fmt.Fprintf(w.o.Log, format+"\n", args...)
	}
}

// MQTT is the address of the broker.
func (w *World) MQTT() string { return w.mqtt }

// HubName is the hub's name.
func (w *World) HubName() string { return w.o.Hub.Name }

// Console is where the hub's pages are.
func (w *World) Console() string { return w.o.Hub.UI }

// HubDir is the hub's data folder.
func (w *World) HubDir() string { return filepath.Join(w.o.Dir, "hub") }

// Run runs one of the programs to its end and returns its standard output.
func (w *World) Run(ctx context.Context, program string, args ...string) ([]byte, error) {
	return w.runAs(ctx, Spec{}, program, args...)
}

// command is the start of a command line that runs a program as s.
func (s Spec) command(path string) []string { return append(slices.Clone(s.Prefix), path) }

func (w *World) runAs(ctx context.Context, s Spec, program string, args ...string) ([]byte, error) {
	argv := append(s.command(filepath.Join(w.o.Bin, program)), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), w.o.Env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

func (w *World) initHub(ctx context.Context) error {
	console := w.o.Hub.UI
	if console == "" {
		addr, err := linktest.LoopbackAddr()
		if err != nil {
			return err
		}
		console = addr
		w.o.Hub.UI = addr
	}
	if w.o.Mosquitto != "" {
		w.o.Env = append(w.o.Env, "TRAM_HUB_MQTT_EMBEDDED=false", "TRAM_HUB_MQTT_SERVER="+w.mqtt)
	}
	if len(w.o.Broker) > 0 {
		w.mqtt = w.o.Broker[0]
		w.o.Env = append(w.o.Env, "TRAM_HUB_MQTT_EMBEDDED=false", "TRAM_HUB_MQTT_SERVER="+strings.Join(w.o.Broker, ","), "TRAM_HUB_MQTT_CA="+w.o.BrokerCA)
	}
	w.say("hub %s %s", w.o.Hub.Code, w.o.Hub.Name)
	_, err := w.Run(ctx, "tram-hub", "init", "--data", w.HubDir(), "--code", w.o.Hub.Code, "--name", w.o.Hub.Name,
		"--mqtt", w.mqtt, "--enroll", w.enroll, "--console", console)
	return err
}

// startBroker runs the real Mosquitto when one is asked for.
func (w *World) startBroker(ctx context.Context) error {
	if w.o.Mosquitto == "" {
		return nil
	}
	w.say("broker %s", w.o.Mosquitto)
	as := w.o.MosquittoAs
	if as == "" {
		me, err := user.Current()
		if err != nil {
			return fmt.Errorf("find own user: %w", err)
		}
		as = me.Username
	}
	dir := filepath.Join(w.o.Dir, "mosquitto")
	if _, err := w.Run(ctx, "tram-hub", "broker", "config", "--data", w.HubDir(), "--out", dir, "--user", as); err != nil {
		return err
	}
	w.Broker = newProcess([]string{w.o.Mosquitto}, dir, nil, "-c", filepath.Join(dir, "mosquitto.conf"))
	if err := w.Broker.Start(); err != nil {
		return err
	}
	return w.WaitBroker(ctx)
}

// WaitBroker waits until the broker accepts connections.
func (w *World) WaitBroker(ctx context.Context) error {
	return w.Broker.waitFor(ctx, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", w.mqtt)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// WaitHub waits until the hub answers its command line.
func (w *World) WaitHub(ctx context.Context) error {
	return w.Hub.waitFor(ctx, func(ctx context.Context) error {
		_, err := w.Run(ctx, "tram-hub", "agents", "--data", w.HubDir(), "--json")
		return err
	})
}

// joinUpstream makes the hub an office of the hub above.
func (w *World) joinUpstream(ctx context.Context) error {
	up := w.o.Upstream
	if up == nil {
		return nil
	}
	dir := filepath.Join(w.o.Dir, "invites-above")
	if err := up.inviteAll(ctx, dir, "hub", []Spec{w.o.Hub}); err != nil {
		return err
	}
	_, err := w.Run(ctx, "tram-hub", "upstream", "enroll", "--data", w.HubDir(), filepath.Join(dir, w.o.Hub.Code+".moi"), "--yes")
	return err
}

func (w *World) invite(ctx context.Context, dir string) error {
	if len(w.o.Offices) == 0 {
		return nil
	}
	return w.inviteAll(ctx, dir, "xa", w.o.Offices)
}

func (w *World) inviteAll(ctx context.Context, dir, kind string, offices []Spec) error {
	var csv strings.Builder
	csv.WriteString("code,name,parent,kind\n")
	for _, s := range offices {
		fmt.Fprintf(&csv, "%s,%s,%s,%s\n", s.Code, s.Name, w.o.Hub.Code, kind)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "offices.csv")
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		return err
	}
	_, err := w.Run(ctx, "tram-hub", "invite", "create", "--data", w.HubDir(), "--csv", file, "--out", dir)
	return err
}

func (w *World) startOffice(ctx context.Context, spec Spec, invites string) (*Office, error) {
	if spec.UI == "" {
		addr, err := linktest.LoopbackAddr()
		if err != nil {
			return nil, err
		}
		spec.UI = addr
	}
	dir := filepath.Join(w.o.Dir, strings.ToLower(spec.Code))
	w.say("office %s %s", spec.Code, spec.Name)
	if _, err := w.runAs(ctx, spec, "tram", "enroll", "--data", dir, filepath.Join(invites, spec.Code+".moi"), "--yes"); err != nil {
		return nil, err
	}
	return w.runOffice(ctx, spec, dir)
}

// Twin runs an office's program over another data folder, with a page of its
// own. The caller ends it.
func (w *World) Twin(ctx context.Context, spec Spec, dir string) (*Office, error) {
	addr, err := linktest.LoopbackAddr()
	if err != nil {
		return nil, err
	}
	spec.UI = addr
	return w.runOffice(ctx, spec, dir)
}

func (w *World) runOffice(ctx context.Context, spec Spec, dir string) (*Office, error) {
	p := newProcess(spec.command(filepath.Join(w.o.Bin, "tram")), dir, slices.Concat(w.o.Env, spec.Env), "run", "--data", dir, "--ui", spec.UI)
	office := &Office{Process: p, Spec: spec, API: api.NewClient(dir)}
	if err := p.Start(); err != nil {
		return nil, err
	}
	return office, office.Wait(ctx)
}

// Wait waits until the office is ready to work.
func (o *Office) Wait(ctx context.Context) error {
	return o.waitFor(ctx, func(ctx context.Context) error {
		s, err := o.API.Status(ctx)
		if err == nil && s.State != "ready" {
			err = fmt.Errorf("office is %s", s.State)
		}
		return err
	})
}

// WaitOnline waits until every office is online at the hub.
func (w *World) WaitOnline(ctx context.Context) error {
	return w.Hub.waitFor(ctx, func(ctx context.Context) error {
		out, err := w.Run(ctx, "tram-hub", "agents", "--data", w.HubDir(), "--json")
		if err != nil {
			return err
		}
		var answer struct {
			Agents []struct {
				Code   string `json:"code"`
				Online bool   `json:"online"`
			} `json:"agents"`
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return err
		}
		online := 0
		for _, a := range answer.Agents {
			if a.Online {
				online++
			}
		}
		if online < len(w.Offices) {
			return fmt.Errorf("%d of %d offices are online", online, len(w.Offices))
		}
		return nil
	})
}

// Close ends all processes, politely first, and returns when they are gone.
func (w *World) Close() error {
	var errs []error
	for _, o := range w.Offices {
		errs = append(errs, o.Stop())
	}
	if w.Hub != nil {
		errs = append(errs, w.Hub.Stop())
	}
	if w.Broker != nil {
		errs = append(errs, w.Broker.Stop())
	}
	return errors.Join(errs...)
}
