package console

import (
	"context"
	"time"

	"tram/agent/api"
	"tram/agent/hub/ca"
	"tram/agent/hub/command"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/hub/incident"
	"tram/agent/hub/report"
	"tram/agent/hub/rollup"
	"tram/agent/hub/software"
	"tram/agent/web/account"
	"tram/storage/audit"
)

// stateOrder is the states as a person looks at them.
var stateOrder = []fleet.State{fleet.NeedsRepair, fleet.OutOfContact, fleet.OutOfContactGroup, fleet.Late, fleet.NotEnrolled, fleet.Stopped, fleet.Normal}

// Cluster is a group of boxes that hang together, with how many are in each
// state.
type Cluster struct {
	Key, Name string
	Counts    map[fleet.State]int
	Total     int
}

// Overview is how all boxes stand.
type Overview struct {
	At       time.Time
	Clusters []Cluster
	Versions []string // of the software, each once
	Waiting  int      // bundles that their recipients have not taken over
	// Doubted are boxes whose audit log does not hold, or of which an older copy is
	// refused, whatever their state.
	Doubted []fleet.Agent
	Rev     uint64 // changes with anything that the pages show
}

// Fleet is how the boxes stand. scope is the part of the tree that the visitor may
// see: the name of a cluster, or an office above; "" for all of it. What lies
// outside of it is not there: problem hub.no-office. Implementations are safe for
// concurrent use.
type Fleet interface {
	Overview(ctx context.Context, scope string) (Overview, error)
	// Page is fleet.Page with what other parts of the hub know of each box, Count
	// how many there are on all pages.
	Page(ctx context.Context, scope string, q fleet.Query) (fleet.Page, error)
	Count(ctx context.Context, scope string, q fleet.Query) (int, error)
	Get(ctx context.Context, scope, code string) (fleet.Report, error)
	// Bands are the states of a box over the last span of time.
	Bands(ctx context.Context, code string, span time.Duration) ([]fleet.Band, error)
	// Events are what the audit log says of an office, the newest first.
	Events(ctx context.Context, code string, limit int) ([]audit.Row, error)
	// Pause stops or resumes watching a box.
	Pause(ctx context.Context, code string, pause bool, by string) error
}

// Hub is how the hub itself stands.
type Hub interface {
	// Name is that of an office or cluster, "" when it has none.
	Name(code string) string
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

// Duty is what the duty room knows: urgent documents that have not arrived, incidents,
// and what people do about them. What lies outside of scope is not there.
type Duty interface {
	Undelivered(ctx context.Context, scope string) (duty.Undelivered, error)
	Called(ctx context.Context, scope string, c duty.Call) error
	Incidents(ctx context.Context, scope string, q duty.Query) (duty.Incidents, error)
	// Incident returns one. Problem incident.unknown.
	Incident(ctx context.Context, scope string, id incident.ID) (duty.Record, error)
	Acknowledge(ctx context.Context, scope string, id incident.ID, by, note string) error
	Note(ctx context.Context, scope string, id incident.ID, by, note string) error
	// Snooze tells nothing of it until a time, zero for when office hours begin.
	Snooze(ctx context.Context, scope string, id incident.ID, until time.Time, by string) error
}

// Reports tells of months, and of the last day.
type Reports interface {
	// Hours are those of the last day in which something is known, the oldest first.
	Hours(ctx context.Context, scope string) ([]report.Hour, error)
	// Month is that of a month, "" for the present one. Problem hub.report-month.
	Month(ctx context.Context, month string) (report.Month, error)
}

// Releases are those of the office's program. Problems are those of software.Software.
type Releases interface {
	List(ctx context.Context) (software.Overview, error)
	Offices(ctx context.Context) ([]software.Office, error)
	// Members is how each office right below stands with a release, or would stand were
	// it staged as q says; hubs is how many neighbours are hubs, whose offices are not in
	// it.
	Members(ctx context.Context, version string, q *software.Stage) (list []software.OfficeProgress, hubs int, err error)
	Stage(ctx context.Context, q software.Stage, by string) (software.Release, error)
	Pause(ctx context.Context, version, by string, pause bool) (software.Release, error)
	Withdraw(ctx context.Context, version, by string) (software.Release, error)
	// Above is the code of the hub above, which signs software in this one's place; "":
	// there is none.
	Above() string
}

// Orders are what boxes were ordered to do. Who may see a box the console decides before
// it asks here. Problems are those of command.Book and hub.Order.
type Orders interface {
	// Check tells why a box can be ordered nothing, nil when it can.
	Check(ctx context.Context, code string) error
	Give(ctx context.Context, o command.Order) (command.Record, error)
	List(ctx context.Context, q command.Query) ([]command.Record, error)
	Get(ctx context.Context, id string) (command.Record, error)
	// Archive is the support archive that came back.
	Archive(ctx context.Context, id string) ([]byte, error)
	Withdraw(ctx context.Context, id, by string, role command.Role) error
}

// People are the accounts of the console. Problems are those of account.Store. Whether
// the visitor may change an account the console decides before it asks here.
type People interface {
	Users(ctx context.Context) ([]account.User, error)
	Sessions(ctx context.Context, name string) ([]account.Session, error)
	// Add makes an account whose password has to be replaced at the first sign-in.
	Add(ctx context.Context, n account.NewUser) (account.User, error)
	SetPassword(ctx context.Context, name, password, by string) error
	SetRole(ctx context.Context, name string, role account.Role, scope, by string) error
	// Change closes, opens or unlocks an account, or ends its sessions.
	Change(ctx context.Context, name string, what api.AccountChange, by string) error
}

// Figures are those of one-stop dossiers.
type Figures interface {
	// Dossiers is the table of a month, of the offices in scope.
	Dossiers(ctx context.Context, scope string, q rollup.Query) (rollup.Table, error)
}
