package dossier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tram/agent/dossier/code"
	"tram/storage"
)

// Bounds of a step.
const (
	maxStep   = 4 << 20 // bytes
	maxEvents = 2000
	maxResult = 200
	maxPieces = 250 // files of a bundle
)

// stepFormat names the format of a step, stepVersion its version.
const (
	stepFormat  = "tram-dossier"
	stepVersion = 1
	stepName    = "dossier.json"
	stepMedia   = "application/json"
)

// Step is what one office tells another about a dossier that it has handed over, or
// that was handed to it: the message of a sealed bundle (agent/README.md, "Dossiers
// between offices"). Readers ignore fields that they do not know.
type Step struct {
	Format   string     `json:"format"`
	Version  int        `json:"version"`
	Transfer storage.ID `json:"transfer"`
	Number   int        `json:"number"` // counts the steps of one side of a hand-over, from 1
	// Hand is the hand-over itself, in step 1 of the office that hands over.
	Hand    *HandOver `json:"hand_over,omitempty"`
	Events  []Event   `json:"events"`            // since the last step
	Results []Result  `json:"results,omitempty"` // of the office that was asked
	Files   []Piece   `json:"files,omitempty"`   // of the bundle, in its order
}

// HandOver is a dossier as another office gets it.
type HandOver struct {
	Task      Task         `json:"task"`
	Note      string       `json:"note,omitempty"`
	Deadline  time.Time    `json:"deadline,omitzero"`
	Sent      time.Time    `json:"sent"`
	By        string       `json:"by"`
	FromName  string       `json:"from_name"`
	ToName    string       `json:"to_name"`
	Code      code.Dossier `json:"code"`
	Owner     string       `json:"owner"`
	OwnerName string       `json:"owner_name"`
	Due       time.Time    `json:"due,omitzero"` // at its owner
	Procedure Procedure    `json:"procedure"`
	Subject   string       `json:"subject,omitempty"`
	Applicant Applicant    `json:"applicant"`
	Channel   Channel      `json:"channel"`
	Papers    []Handed     `json:"papers"`
	Sets      int          `json:"sets"`
	Way       Way          `json:"way"`
}

// Piece says what a file of a bundle is.
type Piece struct {
	Role  FileRole `json:"role"`
	Paper int      `json:"paper"` // index of the paper that it is, -1 for none
}

var errStep = errors.New("not a step of a dossier")

// ReadStep reads and judges a step.
func ReadStep(data []byte) (Step, error) {
	var s Step
	if len(data) > maxStep {
		return s, fmt.Errorf("%w: longer than %d bytes", errStep, maxStep)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Format != stepFormat {
		return s, errors.Join(errStep, err)
	}
	if head.Version != stepVersion {
		return s, fmt.Errorf("%w: version %d", errStep, head.Version)
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
		return Step{}, errors.Join(errStep, err)
	}
	err := s.clean()
	return s, err
}

// clean judges a step and has its texts as they are stored.
func (s *Step) clean() error {
	wrong := func(what string) error { return fmt.Errorf("%w: %s", errStep, what) }
	if s.Transfer == (storage.ID{}) || s.Number < 1 {
		return wrong("transfer or number")
	}
	if len(s.Events) > maxEvents || len(s.Results) > maxResult || len(s.Files) > maxPieces {
		return wrong("too many events, results or files")
	}
	if s.Hand != nil && s.Number != 1 {
		return wrong("hand-over after the first step")
	}
	var v faults
	for i := range s.Events {
		e := &s.Events[i]
		if e.ID == (storage.ID{}) || !inYears(e.At) || !e.Due.IsZero() && !inYears(e.Due) {
			return wrong("event without identity or time")
		}
		e.Office, e.By = v.short("office", e.Office), v.short("by", e.By)
		e.Text, e.Legal = v.text("text", e.Text, false), v.text("legal", e.Legal, false)
	}
	for _, p := range s.Files {
		if p.Paper < -1 || p.Paper >= MaxPapers {
			return wrong("file of no paper")
		}
	}
	for i := range s.Results {
		r := &s.Results[i]
		r.Name, r.Number, r.Text = v.short("result", r.Name), v.short("number", r.Number), v.text("text", r.Text, false)
		v.day("date", r.Date, false)
	}
	if s.Hand != nil {
		s.Hand.clean(&v)
	}
	if err := v.list.Err(); err != nil {
		return errors.Join(errStep, err)
	}
	return nil
}

func (h *HandOver) clean(v *faults) {
	h.Note, h.Subject = v.text("note", h.Note, false), v.text("subject", h.Subject, false)
	h.By, h.FromName, h.ToName = v.short("by", h.By), v.short("from_name", h.FromName), v.short("to_name", h.ToName)
	h.OwnerName, h.Owner = v.name("owner_name", h.OwnerName), v.name("owner", h.Owner)
	h.Applicant = v.applicant(h.Applicant)
	if err := h.Procedure.Check(); err != nil {
		v.err(err)
	}
	if h.Code.IsZero() || len(h.Papers) > MaxPapers || !inYears(h.Sent) || h.Sets < 1 || h.Sets > MaxSets || h.Channel < AtDesk || h.Channel > ByPost ||
		!h.Deadline.IsZero() && !inYears(h.Deadline) || !h.Due.IsZero() && !inYears(h.Due) {
		v.add("dossier.step", "hand_over", nil)
	}
	if h.Papers == nil {
		h.Papers = []Handed{}
	}
	switch h.Task {
	case Decide, Consult, Coordinate:
	default:
		v.add("dossier.task", "task", nil)
	}
}

// inYears bounds times of others to what the store and the calendar can hold.
func inYears(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2200 }
