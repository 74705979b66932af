package peers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"tram/agent/api"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/line"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
	"tram/sync/linktest"
)

// hoaToc is the urgency of an urgent document.
const hoaToc = 3

// knownIn is how long a new office's card may take to reach the other one.
const knownIn = 30 * time.Second

// warmName is the document that has made all ways known before a run.
const warmName = "khoi-dong.pdf"

// Tram is Trạm itself: an office at one end of the line; the hub and the other
// office at the other.
type Tram struct {
	World    *world.World
	From, To *world.Office // sender and receiver

	mu  sync.Mutex
	ids map[string]storage.ID
}

// Start implements [Peer].
func (t *Tram) Start(ctx context.Context, at Site) (err error) {
	t.ids = map[string]storage.ID{}
	hub, far := at.Line.Hub(), at.Line.Office()
	mqtt, err := freeAt(hub)
	if err != nil {
		return err
	}
	enroll, err := freeAt(hub)
	if err != nil {
		return err
	}
	through, err := far.Through(mqtt)
	if err != nil {
		return err
	}
	t.World, err = world.Start(ctx, world.Options{
		Dir: filepath.Join(at.Dir, "tram"), Bin: at.Bin, Log: at.Log, MQTTAddr: mqtt, EnrollAddr: enroll,
		Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn", Prefix: hub.Prefix()},
		Offices: []world.Spec{
			{Code: "H40.12", Name: "UBND xã An Bình", Prefix: far.Prefix(), Env: []string{"TRAM_MQTT_SERVERS=" + through, "TRAM_METERED_INTERFACES=*"}},
			{Code: "H40.15", Name: "UBND phường Tân Lập", Prefix: hub.Prefix()},
		},
	})
	if err != nil {
		return err
	}
	t.From, t.To = t.World.Offices[0], t.World.Offices[1]
	if at.From == hub {
		t.From, t.To = t.To, t.From
	}
	if err := t.World.WaitOnline(ctx); err != nil {
		return err
	}
	return t.warmUp(ctx)
}

// freeAt returns an address of host that was free a moment ago; in its own
// namespace every port is.
func freeAt(host line.Host) (string, error) {
	addr, err := linktest.LoopbackAddr()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	return net.JoinHostPort(host.Addr(), port), err
}

// warmUp moves one small document to its receipt, so that all cards are known.
func (t *Tram) warmUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, knownIn)
	defer cancel()
	for {
		err := t.Send(ctx, Document{Name: warmName, Data: sample.SmallPDF(3000, 1)})
		if err == nil {
			break
		}
		if problem.From(err).Class != problem.Usage {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	for {
		d, err := t.Sent(ctx, warmName)
		if err != nil {
			return err
		}
		if d.State == office.Delivered {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for first receipt: %w", err)
		}
	}
}

// Send implements [Peer]. It returns when the documents are saved.
func (t *Tram) Send(ctx context.Context, documents ...Document) error {
	for _, d := range documents {
		draft := api.DraftRequest{To: []string{t.To.Spec.Code}, Subject: "V/v " + d.Name, Files: []string{d.Name}, By: "lab"}
		if d.Urgent {
			draft.Urgency = hoaToc
		}
		doc, err := t.From.API.Send(ctx, draft, []io.Reader{bytes.NewReader(d.Data)})
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.ids[d.Name] = doc.ID
		t.mu.Unlock()
	}
	return nil
}

// Sent returns what the sender knows of a document.
func (t *Tram) Sent(ctx context.Context, name string) (office.Document, error) {
	t.mu.Lock()
	id := t.ids[name]
	t.mu.Unlock()
	return t.From.API.Get(ctx, id)
}

// Arrived implements [Peer]. A document counts when the receiver has filed it
// and signed for it.
func (t *Tram) Arrived(ctx context.Context) ([]string, error) {
	var names []string
	for q := (office.Query{Box: office.In, Limit: office.MaxPage}); ; q.Offset += q.Limit {
		page, err := t.To.API.Documents(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			if len(d.Attachments) == 1 && d.Attachments[0].Name != warmName {
				names = append(names, d.Attachments[0].Name)
			}
		}
		if len(page.Documents) < q.Limit {
			return names, nil
		}
	}
}

// Read implements [Peer].
func (t *Tram) Read(ctx context.Context, name string) ([]byte, error) {
	t.mu.Lock()
	id := t.ids[name]
	t.mu.Unlock()
	body, err := t.To.API.Attachment(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// Close implements [Peer].
func (t *Tram) Close() error {
	if t.World == nil {
		return nil
	}
	w := t.World
	t.World = nil
	return w.Close()
}
