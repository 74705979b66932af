// Package vgca has a PDF file signed with a key that is on a clerk's own PC,
// through the signing agent of the Government's certification authority
// (VGCA Sign Service) that runs there.
//
// The page tells the agent, in one WebSocket call, where to fetch the file and
// where to bring the signed one. The agent is no browser: it has no session,
// only the two addresses. So each call has tokens of its own, good for one
// file, one person and one method, for a short time.
//
// The package promises that
//
//   - a token opens nothing but what its call is for, is told to nobody else,
//     and dies with the first signed file that comes back, with the next call,
//     or with its time;
//   - a file is replaced only by one that extends it byte for byte and whose
//     new signature covers all of it (see [Extension]);
//   - a file that comes back wrong changes nothing.
//
// Who signed is shown, not judged: the verdict on signatures is another
// package's. Files wait in the folder for uploads and are gone after [JobLife]
// or a restart: nothing here is "saved".
package vgca

import (
	"encoding/json"
	"slices"
	"time"
)

// DefaultAgent is where the agent listens on the clerk's PC.
const DefaultAgent = "wss://127.0.0.1:8987"

// Method is a call of the agent.
type Method string

// Methods that are offered: who signs, and what for.
const (
	SignApproved Method = "SignApproved" // the leader signs
	SignIssued   Method = "SignIssued"   // the clerk adds number, date and the agency's seal
	SignAppendix Method = "SignAppendix" // an annex
	SignCopy     Method = "SignCopy"     // sao y
)

// Methods are those offered, in the order of the page.
var Methods = []Method{SignIssued, SignApproved, SignAppendix, SignCopy}

// Known reports whether a method is offered.
func (m Method) Known() bool { return slices.Contains(Methods, m) }

// Request is the one message that the page sends. The names are the agent's.
type Request struct {
	FileUploadHandler string
	SessionID         string `json:"SessionId"` // the agent has none of ours
	JWTToken          string
	FileName          string // an address
	DocNumber         string
	IssuedDate        string
	MetaData          []MetaData
	Files             []string
}

// MetaData is a pair that the agent passes on.
type MetaData struct{ Key, Value string }

// NewRequest makes the message for addresses with tokens in them.
func NewRequest(fetch, deliver, token, number, date string) ([]byte, error) {
	return json.Marshal(Request{
		FileUploadHandler: deliver, FileName: fetch, JWTToken: token, DocNumber: number, IssuedDate: date,
		MetaData: []MetaData{{"token", token}}, Files: []string{},
	})
}

// Answer is what the agent is told when it brings a file.
type Answer struct {
	Status     bool
	Message    string
	FileName   string
	FileServer string
}

// Limits and times.
const (
	// JobLife is how long a file waits here after its last use.
	JobLife = 12 * time.Hour
	// CallLife is how long the tokens of a call hold: a person types a PIN.
	CallLife = 10 * time.Minute
	// MaxJobs bounds the files of one person, MaxAllJobs those of all.
	MaxJobs    = 20
	MaxAllJobs = 100
	// MaxFetches and MaxDeliveries are how often a token may be used: the agent
	// may try again, and nothing is gained by trying often.
	MaxFetches    = 8
	MaxDeliveries = 4
)
