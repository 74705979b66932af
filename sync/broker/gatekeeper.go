package broker

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/mqtt"
)

// gatekeeper is the mochi hook that keeps the promises of the package.
type gatekeeper struct {
	mochi.HookBase
	b       *Broker
	topics  mqtt.Topics
	hub     string // level
	serial  atomic.Uint64
	refused atomic.Int64
	dropped atomic.Int64
	reports *reporter

	mu       sync.RWMutex
	clients  map[*mochi.Client]*session // all, from CONNECT on
	sessions map[string]*session        // the current one of each level
}

// session is one connection that has passed CONNECT.
type session struct {
	client *mochi.Client
	office string // as in the certificate
	remote string
	acl    *acl
	limit  int64
	queued atomic.Int64  // payload bytes that wait to be written
	slots  chan struct{} // of the hub: one in it for each message that waits
	ended  chan struct{}
}

// takeoverWait bounds how long a new connection waits for the end of the one
// it replaces.
const takeoverWait = 2 * time.Second

const (
	// hubSlots bounds the messages that wait to be written to the hub; those who
	// publish more wait. The other half of its queue is for last wills.
	hubSlots = QueueMessages / 2
	// hubPatience bounds that wait. The message goes into the queue then, or is
	// dropped when that is full.
	hubPatience = 10 * time.Second
)

// fromSnapshot marks what was written past the hub's queue.
const fromSnapshot = "$snapshot"

// voidTopic takes the last will of a replaced connection; nobody can read it.
const voidTopic = "$void"

func newGatekeeper(b *Broker, topics mqtt.Topics, hub string) *gatekeeper {
	return &gatekeeper{
		b: b, topics: topics, hub: hub, reports: newReporter(b.o.OnRefused),
		clients: map[*mochi.Client]*session{}, sessions: map[string]*session{},
	}
}

// ID implements mochi.Hook.
func (g *gatekeeper) ID() string { return "gatekeeper" }

// Provides implements mochi.Hook.
func (g *gatekeeper) Provides(b byte) bool {
	switch b {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSessionEstablished,
		mochi.OnDisconnect, mochi.OnWill, mochi.OnSubscribe, mochi.OnPacketProcessed,
		mochi.OnPublish, mochi.OnPacketSent, mochi.OnPublishDropped:
		return true
	}
	return false
}

// OnConnect gives every connection an id of its own inside mochi. Replacing an
// older connection of the same office is then done by OnSessionEstablished,
// free of the races of mochi's own takeover, in which the end of the old
// connection may delete the new one.
func (g *gatekeeper) OnConnect(cl *mochi.Client, _ packets.Packet) error {
	cl.ID = fmt.Sprintf("%.80s#%d", cl.ID, g.serial.Add(1))
	if longest := uint16(MaxKeepAlive.Seconds()); cl.State.Keepalive == 0 || cl.State.Keepalive > longest {
		cl.State.Keepalive = longest
	}
	return nil
}

// OnConnectAuthenticate decides about a CONNECT.
func (g *gatekeeper) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	v, ok := cl.Net.Conn.(*visitor)
	if !ok {
		return false
	}
	r := Refusal{Office: v.cert.Subject.CommonName, Remote: cl.Net.Remote, Action: ActionConnect}
	rights, err := rules(g.topics, g.hub, r.Office)
	if err == nil {
		rights = rights.watcher(pk.Connect.ClientIdentifier)
		err = checkConnect(rights, pk)
	}
	if err != nil {
		r.Reason = err.Error()
		g.refuse(r)
		return false
	}
	if fault := rights.checkWill(pk.Connect); fault != "" {
		r.Action, r.Topic, r.Reason = ActionWill, pk.Connect.WillTopic, fault
		g.refuse(r)
		return false
	}
	s := &session{
		client: cl, office: r.Office, remote: r.Remote, acl: rights,
		limit: int64(g.b.o.QueueBytes), ended: make(chan struct{}),
	}
	if rights.hub != nil {
		s.limit = int64(g.b.o.HubQueueBytes)
		s.slots = make(chan struct{}, hubSlots)
	}
	g.mu.Lock()
	g.clients[cl] = s
	g.mu.Unlock()
	v.client = cl
	// Asked when kick finds the connection already: what is revoked from here on
	// is ended by that.
	if g.b.o.Revoked != nil && g.b.o.Revoked(v.cert.SerialNumber) {
		r.Reason = fmt.Sprintf("certificate %s is revoked", v.cert.SerialNumber.Text(16))
		g.refuse(r)
		return false
	}
	return true
}

func checkConnect(rights *acl, pk packets.Packet) error {
	if pk.ProtocolVersion != 4 {
		return fmt.Errorf("protocol level %d is not MQTT 3.1.1", pk.ProtocolVersion)
	}
	if !pk.Connect.Clean {
		return fmt.Errorf("session is not clean")
	}
	return rights.checkNames(pk.Connect.ClientIdentifier, string(pk.Connect.Username))
}

// OnSessionEstablished makes a connection the current one of its office.
func (g *gatekeeper) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	g.mu.Lock()
	s := g.clients[cl]
	var old *session
	if s != nil {
		old = g.sessions[s.acl.level]
		g.sessions[s.acl.level] = s
	}
	g.mu.Unlock()
	if old == nil {
		return
	}
	g.b.o.Logger.Info("connection replaced", "office", s.office, "old", old.remote, "new", s.remote)
	old.client.Net.Conn.Close()
	select { // its last will must not come after our first message
	case <-old.ended:
	case <-time.After(takeoverWait):
	}
}

// OnDisconnect forgets a connection.
func (g *gatekeeper) OnDisconnect(cl *mochi.Client, _ error, _ bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.clients[cl]
	if s == nil {
		return
	}
	delete(g.clients, cl)
	if g.sessions[s.acl.level] == s {
		delete(g.sessions, s.acl.level)
	}
	close(s.ended)
}

// OnWill withholds the last will of a connection that was replaced.
func (g *gatekeeper) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if s := g.clients[cl]; s == nil || g.sessions[s.acl.level] != s {
		return mochi.Will{TopicName: voidTopic}, nil
	}
	return will, nil
}

// OnACLCheck decides about a publish or a subscription, and is asked again for
// every delivery.
func (g *gatekeeper) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	s := g.session(cl)
	if s == nil {
		return false
	}
	if write {
		if s.acl.mayWrite(topic) {
			return true
		}
		g.refuse(Refusal{
			Office: s.office, Remote: s.remote, Action: ActionPublish, Topic: topic,
			Reason: "topic belongs to somebody else",
		})
		// mochi ignores a refused QoS 0 publish; an honest client never makes one.
		cl.Net.Conn.Close()
		return false
	}
	if s.acl.mayRead(topic) {
		return true
	}
	g.refuse(Refusal{
		Office: s.office, Remote: s.remote, Action: ActionSubscribe, Topic: topic,
		Reason: "filter covers what belongs to somebody else",
	})
	return false
}

// OnSubscribe grants QoS 0. Retained messages for a wildcard, which only the hub
// may use, are left to OnPacketProcessed: mochi reads them from its topic tree
// without a lock.
func (g *gatekeeper) OnSubscribe(_ *mochi.Client, pk packets.Packet) packets.Packet {
	const never = 2 // no retained messages for this subscription
	for i := range pk.Filters {
		pk.Filters[i].Qos = 0
		if strings.ContainsAny(pk.Filters[i].Filter, "+#") {
			pk.Filters[i].RetainHandling = never
		}
	}
	return pk
}

// OnPacketProcessed sends the hub the presence of all offices, at the pace of
// its connection: as a burst it would not fit the queue.
func (g *gatekeeper) OnPacketProcessed(cl *mochi.Client, pk packets.Packet, err error) {
	if err != nil || pk.FixedHeader.Type != packets.Subscribe {
		return
	}
	for _, sub := range pk.Filters {
		if sub.Filter != g.topics.Presence("+") {
			continue
		}
		if _, ok := cl.State.Subscriptions.Get(sub.Filter); ok {
			go g.snapshot(cl)
		}
	}
}

func (g *gatekeeper) snapshot(cl *mochi.Client) {
	for topic, pk := range g.b.server.Topics.Retained.GetAll() {
		if !g.topics.IsPresence(topic) {
			continue
		}
		pk.FixedHeader.Retain = true
		pk.FixedHeader.Qos = 0
		pk.Origin = fromSnapshot
		if err := cl.WritePacket(pk); err != nil {
			return
		}
	}
}

// OnPublish lets only presence be retained, and only a small one, and drops a
// message for which its reader has no room.
func (g *gatekeeper) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if from := g.session(cl); from != nil && pk.TopicName == from.acl.will {
		if len(pk.Payload) > mqtt.MaxPresence {
			g.refuse(Refusal{
				Office: from.office, Remote: from.remote, Action: ActionPublish, Topic: pk.TopicName,
				Reason: "presence is too large",
			})
			g.dropped.Add(1)
			return pk, packets.CodeSuccessIgnore
		}
		g.reader(pk.TopicName).await()
		return pk, nil
	}
	pk.FixedHeader.Retain = false
	s := g.reader(pk.TopicName)
	if s == nil {
		return pk, nil
	}
	s.await()
	size := int64(len(pk.Payload))
	if s.queued.Add(size) > s.limit {
		s.queued.Add(-size)
		s.written()
		g.dropped.Add(1)
		return pk, packets.CodeSuccessIgnore
	}
	return pk, nil
}

// await holds a publisher up while more wait for the hub than it should: when
// thousands of offices return at once, their lines are the better queue. A hub
// that takes nothing for hubPatience is left to the bound of its queue.
func (s *session) await() {
	if s == nil || s.slots == nil {
		return
	}
	select {
	case s.slots <- struct{}{}:
		return
	default:
	}
	timer := time.NewTimer(hubPatience)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-s.ended:
	case <-timer.C:
	}
}

// written takes back what await took. Last wills were not held up and may take
// back too much; half of the hub's queue is left for them. A session without
// slots has nothing to take back.
func (s *session) written() {
	select {
	case <-s.slots:
	default:
	}
}

// reader gives the one session that a message is for, if it has subscribed; nil
// for the hub's presence, which all offices read.
func (g *gatekeeper) reader(topic string) *session {
	filter, level := topic, ""
	if to, ok := g.topics.OfDown(topic); ok {
		level = to
	} else if wild, ok := g.topics.FilterToHub(topic); ok {
		filter, level = wild, g.hub
	} else if g.topics.IsPresence(topic) && topic != g.topics.Presence(g.hub) {
		filter, level = g.topics.Presence("+"), g.hub
	} else {
		return nil
	}
	g.mu.RLock()
	s := g.sessions[level]
	g.mu.RUnlock()
	if s == nil {
		return nil
	}
	if _, subscribed := s.client.State.Subscriptions.Get(filter); !subscribed {
		return nil
	}
	return s
}

// OnPacketSent and OnPublishDropped settle the account of OnPublish.
func (g *gatekeeper) OnPacketSent(cl *mochi.Client, pk packets.Packet, _ []byte) { g.left(cl, pk) }

// OnPublishDropped: see OnPacketSent.
func (g *gatekeeper) OnPublishDropped(cl *mochi.Client, pk packets.Packet) { g.left(cl, pk) }

func (g *gatekeeper) left(cl *mochi.Client, pk packets.Packet) {
	if pk.FixedHeader.Type != packets.Publish {
		return
	}
	s := g.session(cl)
	if s == nil || pk.Origin == fromSnapshot {
		return
	}
	s.written()
	_, down := g.topics.OfDown(pk.TopicName)
	_, up := g.topics.FilterToHub(pk.TopicName)
	if down || up {
		s.queued.Add(-int64(len(pk.Payload)))
	}
}

func (g *gatekeeper) session(cl *mochi.Client) *session {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.clients[cl]
}

// kick ends the connections of an office, also one that is about to become its
// current one.
func (g *gatekeeper) kick(level string) {
	var found []*session
	g.mu.RLock()
	for _, s := range g.clients {
		if s.acl.level == level {
			found = append(found, s)
		}
	}
	g.mu.RUnlock()
	for _, s := range found {
		s.client.Net.Conn.Close()
	}
}

func (g *gatekeeper) count() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.sessions)
}

func (g *gatekeeper) refuse(r Refusal) {
	g.refused.Add(1)
	g.b.o.Logger.Debug("refused", "office", r.Office, "remote", r.Remote, "action", string(r.Action),
		"topic", r.Topic, "reason", r.Reason)
	g.reports.report(r)
}
