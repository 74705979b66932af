package api

import (
	"bytes"
	"encoding/json"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/lan"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// SocketName is the file of the local socket in the data folder.
const SocketName = "tram.sock"

// Status is the whole office in one answer, for `tram status`.
type Status struct {
	Version    string             `json:"version"`
	Office     office.Party       `json:"office"`
	Hub        string             `json:"hub"`
	State      string             `json:"state"`           // "ready", "pending" (invite stored, no link yet), "waiting" (in the hub's waiting room), "not-enrolled"
	Waits      *Waits             `json:"waits,omitempty"` // for what, in state "waiting"
	Link       Link               `json:"link"`
	Budget     Budget             `json:"budget"`
	Queue      office.Summary     `json:"queue"`
	CertUntil  time.Time          `json:"certificate_until"`
	CertDays   int                `json:"certificate_days_left"`
	DiskFree   int64              `json:"disk_free"` // bytes
	Clock      Clock              `json:"clock"`
	UI         string             `json:"ui"` // address of the clerk's page
	Pages      *lan.State         `json:"ui_certificate,omitempty"`
	Started    time.Time          `json:"started"`
	Conditions []health.Condition `json:"conditions"`
}

// Waits names what a box waits for: a problem of the catalogue.
type Waits struct {
	Code string    `json:"code"`
	Args i18n.Args `json:"args,omitempty"`
}

// Link is the state of the line to the hub.
type Link struct {
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`
	Server   string    `json:"server,omitempty"`
	Error    string    `json:"error,omitempty"` // why it is down, technical
	Sent     int64     `json:"sent"`            // bytes since start
	Received int64     `json:"received"`

	Interface string `json:"interface"` // network interface in use, or that would be; "" when there is none
	Metered   bool   `json:"metered"`   // its bytes cost money
	Rules     Rules  `json:"rules"`

	// What the last documents have shown of the way to the hub; 0 before.
	Rate   int64 `json:"rate"`   // bytes per second that arrive
	RTT    int64 `json:"rtt_ms"` // from sending to the hub's acknowledgement
	Window int64 `json:"window"` // bytes that may be under way
}

// Rules are what may go over the line now.
type Rules struct {
	Code       line.Code `json:"code"`        // why not everything, "open" when everything may
	MinUrgency uint8     `json:"min_urgency"` // least urgency that may go
	MaxSize    int64     `json:"max_size"`    // largest document but for hỏa tốc, bytes; 0: no bound
}

// Budget is the month of the SIM in bytes, headers included by estimate.
type Budget struct {
	Used     int64     `json:"used"`
	Limit    int64     `json:"limit"`    // 0: no bound
	Forecast *int64    `json:"forecast"` // at the month's end; null while nothing can be said
	Today    int64     `json:"today"`
	Usual    int64     `json:"usual"`  // mean of the last seven days before today; 0: not known yet
	Resets   time.Time `json:"resets"` // when the next month begins
}

// Clock says what time this office believes it is and why.
type Clock struct {
	Now     time.Time `json:"now"`
	Trusted bool      `json:"trusted"`       // false: the machine's clock was behind known time
	Offset  int64     `json:"hub_offset_ms"` // hub's clock minus ours at the last session, milliseconds
}

// DraftRequest is the first part of an upload: everything but the files'
// contents, which follow as further parts in the order of Files.
type DraftRequest struct {
	To             []string `json:"to"`
	Subject        string   `json:"subject"`
	Urgency        uint8    `json:"urgency"`
	Type           string   `json:"type,omitempty"`
	Number         string   `json:"number,omitempty"`
	Notation       string   `json:"notation,omitempty"`
	Date           string   `json:"date,omitempty"`
	Signer         string   `json:"signer,omitempty"`
	Position       string   `json:"position,omitempty"`
	Content        string   `json:"content,omitempty"`
	Classification string   `json:"classification,omitempty"`
	Cleared        bool     `json:"cleared,omitempty"` // a person decided that a word that looks like a secrecy mark is none
	Copied         bool     `json:"copied,omitempty"`  // a copy (sao y, sao lục, trích sao)
	Files          []string `json:"files"`             // names
	By             string   `json:"by,omitempty"`

	// What it does to earlier outgoing documents, see office.Changes.
	Replaces     []storage.ID `json:"replaces,omitempty"`
	Updates      storage.ID   `json:"updates,omitzero"`
	Removed      []string     `json:"removed,omitempty"`
	ChangeReason string       `json:"change_reason,omitempty"`
	Replies      []storage.ID `json:"replies,omitempty"` // incoming documents that it answers
}

// Page is one page of a list.
type Page struct {
	Documents []office.Document `json:"documents"`
	Total     int               `json:"total"`
}

// Decision is the body of accept and return.
type Decision struct {
	Reason string `json:"reason,omitempty"` // of a return, or of accepting signatures that are not valid
	By     string `json:"by,omitempty"`
	// SeenFailure says that the explanation of a failed signature was opened.
	SeenFailure bool `json:"seen_failure,omitempty"`
}

// Checks is the history of verdicts on a document's attachments.
type Checks struct {
	Checks []office.Check `json:"checks"` // oldest first
}

// Account is the body of the accounts' calls. The password never comes back.
type Account struct {
	Name     string `json:"name"`
	Display  string `json:"display,omitempty"`
	Role     string `json:"role,omitempty"`
	Password string `json:"password,omitempty"`

	Closed    bool `json:"closed,omitempty"`
	Locked    bool `json:"locked,omitempty"`    // too many wrong passwords in a row
	Temporary bool `json:"temporary,omitempty"` // the password has to be changed at the next sign-in
}

// AccountChange is the last part of the path of a call that changes an account.
type AccountChange string

// Changes of an account.
const (
	Unlock       AccountChange = "unlock"
	CloseAccount AccountChange = "close"
	OpenAccount  AccountChange = "open"
	SignOut      AccountChange = "sign-out" // ends its sessions
)

// AccountChanges lists them.
var AccountChanges = []AccountChange{Unlock, CloseAccount, OpenAccount, SignOut}

// wireProblem is a problem as it travels.
type wireProblem struct {
	Code    string        `json:"code"`
	Class   problem.Class `json:"class"`
	Field   string        `json:"field,omitempty"`
	Args    i18n.Args     `json:"args,omitempty"`
	Message string        `json:"message"`
	English string        `json:"message_en"`
	Next    string        `json:"next,omitempty"`
	NextEn  string        `json:"next_en,omitempty"`
}

type errorBody struct {
	Errors []wireProblem `json:"errors"`
}

func encodeProblems(err error) (errorBody, problem.Class) {
	list := problem.All(err)
	var body errorBody
	for _, p := range list {
		body.Errors = append(body.Errors, wireProblem{
			Code: p.Code, Class: p.Class, Field: p.Field, Args: p.Args,
			Message: p.Message(i18n.Vietnamese), English: p.Message(i18n.English),
			Next: p.Next(i18n.Vietnamese), NextEn: p.Next(i18n.English),
		})
	}
	return body, list[0].Class
}

func decodeProblems(data []byte) (problem.List, bool) {
	var body errorBody
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // a float64 would show 2000000 as 2e+06
	if dec.Decode(&body) != nil || len(body.Errors) == 0 {
		return nil, false
	}
	var list problem.List
	for _, w := range body.Errors {
		list = append(list, &problem.Problem{Code: w.Code, Class: w.Class, Field: w.Field, Args: w.Args})
	}
	return list, true
}

// Arriving is something that the hub is handing over and that is not here yet.
// Only its envelope is known: what is inside shows when all of it is here.
type Arriving struct {
	ID      storage.ID `json:"id"`
	From    string     `json:"from"`    // office code
	Urgency uint8      `json:"urgency"` // 0 thường … 3 hỏa tốc
	Size    int64      `json:"size"`    // bytes as they travel
	Here    int64      `json:"here"`    // of these, safe on this machine
	// Held says that it does not come over the present line unless somebody asks
	// for it first.
	Held bool `json:"held"`
}
