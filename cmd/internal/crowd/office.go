package crowd

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/lineage"
	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/mqtt"
)

// letterLife is the lifetime of a letter.
const letterLife = 24 * time.Hour

// Office is one of the crowd.
type Office struct {
	Code    string
	crowd   *Crowd
	number  int
	device  crypto.Signer
	cert    *x509.Certificate
	card    registry.Card
	rawCard []byte
	box     *box
	client  *mqtt.Client
	node    *exchange.Node
}

// box is an office's queue, which tells the crowd what happens.
type box struct {
	*storagetest.Memory
	office *Office
	kinds  sync.Map // of incoming bundles, by ID
}

// Admit implements storage.Queue.
func (b *box) Admit(ctx context.Context, peer string, in storage.Incoming) (storage.Admission, error) {
	b.kinds.Store(in.ID, bundle.Kind(in.Kind))
	return b.Memory.Admit(ctx, peer, in)
}

// Complete implements storage.Queue.
func (b *box) Complete(ctx context.Context, peer string, id storage.ID, receipt []byte) error {
	err := b.Memory.Complete(ctx, peer, id, receipt)
	if err != nil {
		return err
	}
	if kind, _ := b.kinds.LoadAndDelete(id); kind == bundle.KindDocument {
		b.office.crowd.arrived(b.office, id)
	}
	return b.Memory.Handled(ctx, id)
}

// Settle implements storage.Queue.
func (b *box) Settle(ctx context.Context, peer string, id storage.ID, o storage.Outcome) error {
	err := b.Memory.Settle(ctx, peer, id, o)
	if err == nil && o.Receipt != nil {
		b.office.crowd.custody(id)
	}
	return err
}

func newOffice(c *Crowd, code string, device crypto.Signer) *Office {
	o := &Office{Code: code, crowd: c, number: len(c.Offices), device: device}
	o.box = &box{Memory: storagetest.NewMemory(), office: o}
	return o
}

// start connects the office and holds its session until life ends.
func (o *Office) start(life context.Context) error {
	c := o.crowd
	tuning := mqtt.Tuning{}
	if c.o.InStep {
		tuning.Backoff = mqtt.Backoff{Min: time.Nanosecond, Max: time.Nanosecond}
	}
	server := c.o.Server
	if c.o.Via != nil {
		server = cmp.Or(c.o.Via(o.number), server)
	}
	client, err := mqtt.Dial(mqtt.Options{
		Servers: []string{server}, Hub: c.hub, Office: o.Code, Software: "tram crowd", Tuning: tuning, DialContext: o.dial,
		TLS: &tls.Config{
			MinVersion: tls.VersionTLS12, CurvePreferences: identity.Economical.Curves(), RootCAs: c.root,
			Certificates: []tls.Certificate{{Certificate: [][]byte{o.cert.Raw}, PrivateKey: o.device, Leaf: o.cert}},
		},
	})
	if err != nil {
		return err
	}
	o.client = client
	o.node = exchange.NewNode(exchange.Options{
		Office: o.Code, Software: "tram crowd", Epoch: o.box.Epoch(), Queue: o.box, Observer: observer{c},
		Guard: guard.New(guard.Options{
			Code: o.Code, Epoch: o.box.Epoch(), Device: o.device, Registry: &c.cards,
			Own: func(string) ([]byte, uint64) { return o.rawCard, o.card.Serial }, Boots: run(uuid.New()),
		}),
	})
	c.running.Go(func() { _ = o.node.Run(life, c.hub, c.tap(life, client)) })
	return nil
}

// run is the only run of an office's box, which remembers no other boxes.
type run uuid.UUID

// Boot implements guard.Boots.
func (r run) Boot(context.Context) (uuid.UUID, error) { return uuid.UUID(r), nil }

// Own implements guard.Boots.
func (r run) Own(_ context.Context, boot uuid.UUID) (bool, error) { return boot == uuid.UUID(r), nil }

// Heard implements guard.Boots.
func (run) Heard(context.Context, string, [32]byte) (uuid.UUID, error) { return uuid.Nil, nil }

// Agree implements guard.Boots.
func (run) Agree(context.Context, lineage.Claim) error { return nil }

// dial takes one of several loopback addresses, so that the ports of one are
// enough.
func (o *Office) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.crowd.o.InStep {
		if err := pause(ctx, time.Until(time.Now().Truncate(time.Second).Add(time.Second))); err != nil {
			return nil, err
		}
	}
	d := net.Dialer{KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+o.number%4))}}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	o.crowd.open.Add(1)
	return &counted{Conn: conn, open: sync.OnceFunc(func() { o.crowd.open.Add(-1) })}, nil
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	open func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.open()
	return c.Conn.Close()
}

// SetWriteBuffer lets package mqtt keep its small send buffer.
func (c *counted) SetWriteBuffer(bytes int) error {
	return c.Conn.(*net.TCPConn).SetWriteBuffer(bytes)
}

// tapped is a transport on whose frames the crowd has an eye.
type tapped struct {
	exchange.Transport
	events chan exchange.LinkEvent
}

// Events implements exchange.Transport.
func (t *tapped) Events() <-chan exchange.LinkEvent { return t.events }

func (c *Crowd) tap(life context.Context, t exchange.Transport) *tapped {
	out := &tapped{t, make(chan exchange.LinkEvent)}
	c.running.Go(func() {
		defer close(out.events)
		for ev := range t.Events() {
			if isDefer(ev.Frame) {
				c.deferred.Add(1)
			}
			select {
			case out.events <- ev:
			case <-life.Done():
			}
		}
	})
	return out
}

// isDefer looks at the first bytes of a frame: an array of four, of type 7.
func isDefer(frame []byte) bool {
	return len(frame) > 2 && frame[0] == 0x84 && frame[1] == 7
}

// Write packs, encrypts and signs a letter of some bytes.
func (c *Crowd) Write(from, to *Office, urgency uint8, size int) (*Letter, error) {
	key, err := bundle.NewKey()
	if err != nil {
		return nil, err
	}
	text := make([]byte, size)
	if _, err := rand.Read(text); err != nil { // so that it does not shrink
		return nil, err
	}
	sent, object, err := key.EncryptBytes(text, bundle.RoleHead)
	if err != nil {
		return nil, err
	}
	slip, err := key.Slip(to.card.Recipient)
	if err != nil {
		return nil, err
	}
	slips, err := bundle.EncodeSlips(map[string][]byte{to.Code: slip})
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	signed, err := bundle.Sign(bundle.Header{
		ID: id, From: from.Code, To: []string{to.Code}, Kind: bundle.KindDocument, Urgency: urgency,
		Created: now, Expires: now.Add(letterLife), Key: key.Recipient(),
		Objects: []bundle.Object{object, bundle.Describe(slips, bundle.RoleSlips, bundle.Plain)},
	}, from.device)
	if err != nil {
		return nil, fmt.Errorf("sign letter: %w", err)
	}
	return &Letter{ID: id, Urgency: urgency, from: from, to: to, bundle: signed.Stored(), contents: [][]byte{sent, slips}}, nil
}

// Post hands a letter to its sender's queue.
func (c *Crowd) Post(ctx context.Context, l *Letter) error {
	c.mu.Lock()
	l.Posted = time.Now()
	c.letters[l.ID] = l
	c.mu.Unlock()
	if err := l.from.box.Put(ctx, l.bundle, l.contents, storagetest.Target{Peer: c.hub}); err != nil {
		return err
	}
	l.contents = nil
	l.from.node.Kick(c.hub)
	return nil
}

// IsUp says whether an office is connected to the hub.
func (o *Office) IsUp() bool { return o.client.Status().Up }
