package incident

import (
	"time"

	"tram/agent/hours"
)

// Facts are what is known at one moment.
type Facts struct {
	Hub        Hub
	Agents     []Agent
	Documents  []Document  // that have not reached all of their recipients
	Signatures []Signature // that have failed lately
}

// Hub is the hub itself.
type Hub struct {
	Code       string
	Up         time.Time   // since when it runs
	Conditions []Condition // what is wrong with it
	Ends       time.Time   // of its signing certificate; zero: not known
	List       time.Time   // when its revocation list has to be replaced; zero: not known
}

// Condition is something wrong with the hub.
type Condition struct {
	Code string // as in package health
}

// Agent is one office's box.
type Agent struct {
	Code   string
	Site   Site
	Online bool
	Since  time.Time // of Online
	Exempt bool      // revoked, paused or never seen: nothing is expected of it
	Round  bool      // it runs day and night, so that it is missed out of hours too
	// Hours are those in which it is on, but on public holidays; empty: office hours.
	Hours hours.Week
	Away  time.Duration // how long it may be away by its own plan
	// Waiting are bundles at the hub that it has not taken, Bytes their size.
	Waiting int
	Bytes   int64
	Beat    *Beat // nil: its figures are not known
}

// Site says where a box stands in the topology. Fields that are not known are empty.
type Site struct {
	Cluster string // cụm: who looks after it
	Carrier string // nhà mạng
	Station string // the mast or exchange that it hangs on
}

// Beat are an agent's own figures, as of its last heartbeat. Pointers are nil for what
// it does not say.
type Beat struct {
	// Oldest is the age of its oldest unsent document by urgency, zero for none.
	Oldest      [4]time.Duration
	Backlog     *int64   // bytes that it has not sent
	Rate        float64  // measured, bytes a second; 0: not known
	Clock       *float64 // seconds that its clock is off, either way
	Back        bool     // its clock went backwards
	Full        *float64 // days until its disk is full
	Certificate time.Time
	Renewing    bool          // the certificate is being renewed
	Behind      *int          // releases that it is behind its ring
	BehindFor   time.Duration // since it could have been updated
	SIM         *float64      // forecast of the month over its budget
	Jump        *float64      // bytes of today over those of a usual day
	Backup      time.Time     // last verified one; zero: not known
}

// Document is on its way.
type Document struct {
	ID      string
	From    string
	Urgency int       // 0 thường … 3 hỏa tốc
	Since   time.Time // when the hub took it over
	Waiting []string  // offices that do not have it yet
}

// Signature is one that failed: of a document that was sent back for its seal, or in an
// attachment.
type Signature struct {
	Sender string
	Office string // that found it
	At     time.Time
}

// kept is how long a failed signature stays a finding.
const kept = 24 * time.Hour

// Group is offices that have something in common.
type Group struct {
	Kind string `json:"kind"` // GroupHub, GroupCluster, GroupCarrier or GroupStation
	// Cluster is set for a carrier or station within one cluster.
	Cluster string `json:"cluster,omitempty"`
	Name    string `json:"name"`
}

// Kinds of groups.
const (
	GroupHub     = "hub"
	GroupCluster = "cluster"
	GroupCarrier = "carrier"
	GroupStation = "station"
)

// groups are those that a box belongs to.
func (s Site) groups(hub string) []Group {
	list := []Group{{Kind: GroupHub, Name: hub}}
	if s.Cluster != "" {
		list = append(list, Group{Kind: GroupCluster, Name: s.Cluster})
	}
	if s.Carrier != "" {
		list = append(list, Group{Kind: GroupCarrier, Name: s.Carrier})
	}
	if s.Carrier != "" && s.Cluster != "" {
		list = append(list, Group{Kind: GroupCarrier, Cluster: s.Cluster, Name: s.Carrier})
	}
	if s.Station != "" {
		list = append(list, Group{Kind: GroupStation, Cluster: s.Cluster, Name: s.Station})
	}
	return list
}
