package console

import (
	"context"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/storage/audit"
)

// State is how a box stands.
type State string

// The states, in the order in which a person looks at them.
const (
	NeedsRepair       State = "needs-repair" // reachable, and somebody has to set something right
	OutOfContact      State = "out-of-contact"
	OutOfContactGroup State = "out-of-contact-group" // the same, as part of an open incident
	Late              State = "late"                 // it should have been heard, or is not steady
	NotEnrolled       State = "not-enrolled"         // invited, never seen
	Stopped           State = "stopped"              // revoked or paused by an operator
	Normal            State = "normal"
)

// States lists them in that order.
var States = []State{NeedsRepair, OutOfContact, OutOfContactGroup, Late, NotEnrolled, Stopped, Normal}

// Device is a box as the hub knows it. What is not known is zero, and nil where
// zero says something.
type Device struct {
	Code, Name, Kind     string
	Cluster, ClusterName string
	Enrolled             bool
	State                State
	Reason               i18n.Speaker // why it is in it; nil: the state says all
	Since                time.Time    // of State
	Online               bool
	Seen                 time.Time // last contact
	Software             string
	Waiting              int       // bundles at the hub that it has not taken over
	Told                 time.Time // when it said what follows
	Queue                int       // documents that have not left it
	QueueBytes           int64
	QueueSince           time.Time // of the oldest
	Certificate          time.Time // end of its device certificate
	DiskFree             int64
	DiskDays             *int
	ClockOffset          time.Duration
	SIMLeft              *int64    // bytes of the month's budget
	LogBroken            time.Time // since when its audit log is known not to hold
	Copy                 time.Time // since when an older copy of it is refused
}

// Query chooses boxes. What is empty chooses all.
type Query struct {
	Scope    string // the part of the tree that the visitor may see
	Cluster  string
	States   []State
	Software string
	Text     string // in code or name, whatever its diacritics
	// CertificateWithin are those whose certificate ends within so long, QueueOlder
	// those that hold a document for longer.
	CertificateWithin, QueueOlder time.Duration

	Sort  string // one of Sorts; "" is "code"
	Desc  bool
	After string // Devices.Next of the page before
	Limit int    // hard bound MaxPage
}

// Sorts are the words of Query.Sort.
var Sorts = []string{"code", "name", "cluster", "state", "seen", "queue", "software", "certificate", "disk", "clock", "sim"}

const (
	// PageSize is how many boxes a page lists, MaxPage how many are read at once.
	PageSize = 100
	MaxPage  = 1000
)

// Devices is a page of them.
type Devices struct {
	List  []Device
	Total int    // of the query, on all pages
	Next  string // for Query.After; "" at the end
}

// Cluster is a group of boxes that hang together, with how many are in each
// state.
type Cluster struct {
	Key, Name string
	Counts    map[State]int
	Total     int
}

// Overview is how all boxes stand.
type Overview struct {
	At       time.Time
	Clusters []Cluster
	Versions []string // of the software, each once
	Waiting  int      // bundles that their recipients have not taken over
	Rev      uint64   // changes with anything that the pages show
}

// Band is a time in which a box was in one state.
type Band struct {
	From, To time.Time
	State    State
}

// Fleet is how the boxes stand. Implementations are safe for concurrent use.
type Fleet interface {
	Overview(ctx context.Context, scope string) (Overview, error)
	Devices(ctx context.Context, q Query) (Devices, error)
	// Device returns one box. Problem hub.no-office when there is none, or none in
	// scope.
	Device(ctx context.Context, scope, code string) (Device, error)
	// Bands are the states of a box over the last span of time; nil when nobody
	// has kept them.
	Bands(ctx context.Context, code string, span time.Duration) ([]Band, error)
	// Events are what the audit log says of an office, the newest first.
	Events(ctx context.Context, code string, limit int) ([]audit.Row, error)
}

// Hub is how the hub itself stands.
type Hub interface {
	// Hears tells since when the hub can hear its offices, or cannot.
	Hears() (up bool, since time.Time)
	CA() Authority
}

// Authority is the hub's certificate authority.
type Authority struct {
	Fingerprint, Words string
	Until              time.Time // end of the root
	Phase              ca.Phase
	PhaseSince         time.Time
	Next               string    // fingerprint of the CA to come
	PagesUntil         time.Time // end of the authority for pages
	Revoked            int       // certificates that are on the list
	Endpoints          []string  // where boxes enrol
}

// Invites makes and withdraws invites.
type Invites interface {
	Invites(ctx context.Context) ([]ca.InviteInfo, error)
	Invite(ctx context.Context, csv []byte, o ca.InviteOptions) ([]ca.Made, error)
	// Replace revokes an office's present box and invites another one.
	Replace(ctx context.Context, code string, o ca.InviteOptions) ([]ca.Made, error)
	// Withdraw revokes the unused invites of a batch.
	Withdraw(ctx context.Context, batch, by string) (int, error)
	// Sheet is the printable page of a batch's usable invites, or of one of them.
	Sheet(ctx context.Context, batch, id string) ([]byte, error)
	// Download gives their files, which hold secrets.
	Download(ctx context.Context, batch, id, by string) ([]ca.Made, error)
}

// Trust decides on boxes and their keys.
type Trust interface {
	WaitingRoom(ctx context.Context, all bool) ([]ca.Waiting, error)
	Decide(ctx context.Context, id int64, d ca.Decision, by string) (ca.Waiting, error)
	Certificates(ctx context.Context) ([]ca.Certificate, error)
	// Revoke takes an office's keys out of trust.
	Revoke(ctx context.Context, code string, reason ca.Reason, by string) error
	// Release forgets which box speaks for an office.
	Release(ctx context.Context, code, by string) error
}

// Office is one office of the directory.
type Office struct {
	Code, Name, Parent, Kind string
	Enrolled                 bool
	Hub                      string // where it is enrolled, when that is not here
	Into                     string // the office that took it over
	Old, May                 []string
}

// Offices is a page of the directory.
type Offices struct {
	List []Office
	Next string // code after which the next page begins; "" at the end
}

// Directory is the registry of offices. Problems of changes are those of
// registry.Editor.
type Directory interface {
	// Offices finds text, or lists what lies below parent after a code.
	Offices(ctx context.Context, text, parent, after string) (Offices, error)
	// Office returns one. Problem hub.no-office.
	Office(ctx context.Context, code string) (Office, error)
	Import(ctx context.Context, csv []byte, by string) (added, changed int, err error)
	Rename(ctx context.Context, code, name, kind, by string) error
	Move(ctx context.Context, code, parent, by string) error
}

// Figures are those of one-stop dossiers.
type Figures interface {
	// Dossiers is the table of a month, of the offices in scope.
	Dossiers(ctx context.Context, scope string, q rollup.Query) (rollup.Table, error)
}
