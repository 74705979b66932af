package probe

import "time"

// Path is where the running service is asked over the local socket to test its line.
const Path = "/v1/link/test"

// Session is what the running service says of its own line, which costs a few bytes
// of it.
type Session struct {
	Connected bool          `json:"connected"` // to the broker
	Up        bool          `json:"up"`        // and the hub is there
	Server    string        `json:"server"`    // of the connection or the last attempt
	Refused   bool          `json:"refused"`   // the broker does not take this office
	Copy      bool          `json:"copy"`      // another box speaks for this office
	Error     string        `json:"error"`     // why it is down, technical
	NextTry   time.Time     `json:"next_try,omitzero"`
	Interface string        `json:"interface"` // network interface in use
	Metered   bool          `json:"metered"`
	Answered  bool          `json:"answered"` // the broker has answered just now
	RTT       time.Duration `json:"rtt"`      // of that
	// Segments and Repeated are TCP's since the connection began; 0 where the system
	// does not tell.
	Segments uint32 `json:"segments"`
	Repeated uint32 `json:"repeated"`
	// Rates in bytes per second that documents have shown; 0 while none did.
	UpRate   int64 `json:"up_rate"`
	DownRate int64 `json:"down_rate"`
}

// HubAway and LineWaits are codes of a line that is tested through its session.
const (
	HubAway   = "line-hub-away" // the broker is there, the hub is not
	LineWaits = "line-waits"    // nothing is broken: the service is about to connect
	LineCopy  = "line-copy"     // another box speaks for this office
)

// Hub is the last hop: the hub behind its broker.
const Hub Hop = "hub"

// Steps says in hops what a session shows; nil when it is down, and the way has to
// be walked.
func (s Session) Steps() []Step {
	if !s.Connected {
		return nil
	}
	args := map[string]any{"server": s.Server, "host": s.Server}
	var steps []Step
	for _, hop := range Hops {
		steps = append(steps, Step{Hop: hop, Good: true})
	}
	last := &steps[len(steps)-1]
	if !s.Answered {
		last.Good, last.Code, last.Args = false, BrokerSilent, args
		return steps
	}
	last.Took = s.RTT.Milliseconds()
	hub := Step{Hop: Hub, Good: s.Up}
	if !s.Up {
		hub.Code, hub.Args = HubAway, args
	}
	return append(steps, hub)
}

// After is the broker's step of a session that is down although the way is open as
// far as TLS.
func (s Session) After() Step {
	step := Step{Hop: Broker, Code: LineWaits, Args: map[string]any{"server": s.Server, "at": "–"}, Cause: s.Error}
	if !s.NextTry.IsZero() {
		step.Args["at"] = s.NextTry.Local().Format("15:04:05")
	}
	switch {
	case s.Copy:
		step.Code = LineCopy
	case s.Refused:
		step.Code = BrokerRefused
	}
	return step
}
