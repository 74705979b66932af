package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/hub/alert"
	"tram/agent/hub/ca"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/hub/incident"
	"tram/cmd/internal/crowd"
	"tram/sync/linktest"
)

// Sizes, and times in minutes of the incident engine: with a speed of 20 such a minute
// takes 3 seconds.
const (
	outageBoxes, outageOthers    = 170, 230
	fullSpeed, quickSpeed        = 20, 150
	outageLines                  = 10 // the link's ends that fall one after the other
	outageSpread                 = 4  // minutes within which they do
	outageLasts                  = 30
	outageTail                   = 15 // after the note of recovery
	outageReturn                 = 5 * time.Minute
	outageStation, outageCluster = "Tuyến Bắc", "H40"
	outageSecret                 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // of this run's own receiver
)

// Figures that a test looks at.
const (
	figureAlerts  = "alerts of the outage"
	figureUpdates = "updates of the outage"
	figureOver    = "notes of its end"
	figureOrphans = "other alerts, and alerts without an end"
	figureUrgent  = "alerts of the urgent document in it"
	figureSpent   = "from the first silence to the alert"
)

func outageCommand() *cobra.Command {
	o := outage{boxes: outageBoxes, others: outageOthers}
	cmd := &cobra.Command{
		Use:   "outage",
		Short: "Cuts 170 boxes off at once and counts what the operator is told",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.prints(cmd)
			o.command = fmt.Sprintf("tram-lab outage --boxes %d", o.boxes)
			o.speed = fullSpeed
			if o.quick {
				o.speed = quickSpeed
				o.command += " --quick"
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.boxes, "boxes", outageBoxes, "offices on the link")
	cmd.Flags().BoolVar(&o.quick, "quick", false, "under a minute: the engine's clock runs faster")
	return cmd
}

// outage is a province whose offices are a crowd: their connections, sessions and
// documents are real, and so are hub, broker and webhooks.
type outage struct {
	bench
	boxes, others int
	speed         int // of the incident engine's clock
	crowd         *crowd.Crowd
	lines         []*linktest.Proxy
	hub           *hub.Hub
	receiver      receiver
}

// receiver gathers what the hub tells.
type receiver struct {
	mu   sync.Mutex
	told []alert.Message
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var m struct {
		Data alert.Message `json:"data"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 1<<20)).Decode(&m); err != nil {
		http.Error(w, "not an alert", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, m.Data)
}

// count tells how many notices of a kind there were of incidents that are wanted.
func (r *receiver) count(kind incident.NoticeKind, wanted func(incident.Code) bool) (n int, first time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.told {
		if m.Kind == kind && wanted(m.Incidents[0].Rule) {
			if n++; n == 1 {
				first = m.At
			}
		}
	}
	return n, first
}

func group(c incident.Code) bool  { return c == incident.GroupSilent }
func urgent(c incident.Code) bool { return c == incident.HoaTocLate }
func other(c incident.Code) bool  { return !group(c) && !urgent(c) }

// minutes are n of the engine's.
func (o *outage) minutes(n float64) time.Duration {
	return time.Duration(n * float64(time.Minute) / float64(o.speed))
}

func (o *outage) run(ctx context.Context) (err error) {
	if err := enoughFiles(2 * (o.boxes + o.others)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tram-outage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	settings, err := o.found(dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &o.receiver, ReadHeaderTimeout: time.Minute}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	settings.Alerts.Webhook.URL = "http://" + listener.Addr().String()
	settings.Alerts.Webhook.Secret = filepath.Join(dir, "secret")
	if err := os.WriteFile(settings.Alerts.Webhook.Secret, []byte(outageSecret), 0o600); err != nil {
		return err
	}
	if err := o.gather(ctx, dir, settings); err != nil {
		return err
	}
	defer func() {
		for _, l := range o.lines {
			err = errors.Join(err, l.Close())
		}
	}()
	return o.serve(ctx, dir, settings)
}

// found makes the hub.
func (o *outage) found(dir string) (*config.Hub, error) {
	c := config.DefaultHub()
	c.Code, c.Name = "H40", "UBND tỉnh Minh Sơn"
	for _, addr := range []*string{&c.MQTT.Address, &c.Enroll.Address, &c.Console.Address} {
		var err error
		if *addr, err = linktest.LoopbackAddr(); err != nil {
			return nil, err
		}
	}
	c.Storage.Reserve = 10 * config.MB
	_, err := ca.Init(dir, ca.Options{Code: c.Code, Name: c.Name, Enroll: c.EnrollEndpoints(), MQTT: c.MQTTEndpoints(), Hosts: []string{"127.0.0.1"}})
	return c, err
}

// gather enrols the offices; those of the link connect through its ends.
func (o *outage) gather(ctx context.Context, dir string, settings *config.Hub) error {
	for n := range outageLines {
		l, err := linktest.NewProxy(linktest.ProxyOptions{Target: settings.MQTT.Address, Seed: uint64(n)})
		if err != nil {
			return err
		}
		o.lines = append(o.lines, l)
	}
	h, err := hub.Open(ctx, hub.Options{Dir: dir, Config: settings}) // makes the database
	if err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	fmt.Fprintf(o.log, "%d offices are enrolled, %d of them on one link\n", o.boxes+o.others, o.boxes)
	o.crowd, err = crowd.New(ctx, crowd.Options{
		HubDir: dir, Server: settings.MQTT.Address, Size: o.boxes + o.others, InStep: true,
		Via: func(n int) string {
			if n >= o.boxes {
				return ""
			}
			return o.lines[n%outageLines].Addr()
		},
	})
	return err
}

// serve runs the hub, and the outage beside it.
func (o *outage) serve(ctx context.Context, dir string, settings *config.Hub) (err error) {
	o.hub, err = hub.Open(ctx, hub.Options{
		Dir: dir, Config: settings, Version: "lab", WatchEvery: o.minutes(0.5), Speed: o.speed,
		Logger: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	defer func() {
		stop()
		err = errors.Join(err, <-done, o.hub.Close())
	}()
	go func() { done <- o.hub.Run(running, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		return err
	}
	defer o.crowd.Close()
	if err := o.settle(ctx); err != nil {
		return err
	}
	return o.play(ctx)
}

// settle connects all offices and tells the hub where they are.
func (o *outage) settle(ctx context.Context) error {
	if err := o.crowd.Start(ctx); err != nil {
		return err
	}
	for _, office := range o.crowd.Offices[:o.boxes] {
		if _, err := o.hub.SetContact(ctx, duty.Contact{Office: office.Code, Station: outageStation}, "lab"); err != nil {
			return err
		}
	}
	// The trial is no office day.
	if err := o.hub.ChangeAgent(ctx, hub.AgentChange{Act: hub.ActHours, Cluster: outageCluster, Hours: "00:00-24:00"}, "lab"); err != nil {
		return err
	}
	fmt.Fprintln(o.log, "all are connected; the hub settles")
	return pause(ctx, o.minutes(12))
}

// play cuts the link, sends an urgent document into it, and mends it.
func (o *outage) play(ctx context.Context) error {
	begin := time.Now()
	for _, l := range o.lines {
		l.Refuse(true)
		l.Cut()
		if err := pause(ctx, o.minutes(float64(outageSpread)/outageLines)); err != nil {
			return err
		}
	}
	letter, err := o.crowd.Write(o.crowd.Offices[o.boxes], o.crowd.Offices[0], 3, letterSize)
	if err != nil {
		return err
	}
	if err := o.crowd.Post(ctx, letter); err != nil {
		return err
	}
	fmt.Fprintln(o.log, "the link is down, and an hỏa tốc waits for an office behind it")
	if err := pause(ctx, o.minutes(outageLasts)); err != nil {
		return err
	}
	for _, l := range o.lines {
		l.Refuse(false)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, outageReturn, errors.New("the end of the outage was not told in time"))
	defer cancel()
	if err := o.crowd.Wait(ctx, func() bool {
		n, _ := o.receiver.count(incident.Recovery, group)
		return n > 0 && o.crowd.Letters().Waiting == 0
	}); err != nil {
		return err
	}
	if err := pause(ctx, o.minutes(outageTail)); err != nil {
		return err
	}
	return o.report(ctx, begin)
}

func (o *outage) report(ctx context.Context, begin time.Time) error {
	alerts, at := o.receiver.count(incident.Alert, group)
	updates, _ := o.receiver.count(incident.Update, group)
	over, _ := o.receiver.count(incident.Recovery, group)
	document, _ := o.receiver.count(incident.Alert, urgent)
	orphans, _ := o.receiver.count(incident.Alert, other)
	open, err := o.hub.Incidents(ctx, duty.Query{Open: true})
	if err != nil {
		return err
	}
	for _, i := range open.Incidents {
		if !i.Told.IsZero() {
			orphans++
		}
	}
	boxes, err := o.hub.Agents(ctx)
	if err != nil {
		return err
	}
	away := 0
	for _, a := range boxes.Agents {
		if a.State == fleet.OutOfContactGroup || a.Incident != "" {
			away++
		}
	}
	spent := at.Sub(begin).Minutes() * float64(o.speed)
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
		peer  string
	}{
		{figureAlerts, float64(alerts), "", "1", ""},
		{figureAlerts, float64(o.boxes), "", "", "a watcher that alerts for each box"},
		{figureSpent, spent, fmt.Sprintf("min, on a clock %d times as fast", o.speed), "≤ 12", ""},
		{figureUpdates, float64(updates), "", "≤ 4", ""},
		{figureOver, float64(over), "", "1", ""},
		{figureOrphans, float64(orphans + away), "", "0", ""},
		{figureUrgent, float64(document), "", "1", ""},
	} {
		if err := o.figure(f.name, f.value, f.unit, f.aim, f.peer); err != nil {
			return err
		}
	}
	if alerts != 1 || updates > incident.MaxUpdates || over != 1 || orphans+away != 0 || document != 1 {
		return errors.New("the outage was not told as one")
	}
	return nil
}
