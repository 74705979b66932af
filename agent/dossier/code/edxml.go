package code

import (
	"slices"
	"strings"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// ApplicationDossier is the ApplicationType of a message that carries a dossier, as
// OpenCPS writes it.
const ApplicationDossier = "MCDT_DT"

// Carried is the code of the dossier that a document message carries: one that says
// so by its ApplicationType, or whose own number is a dossier code. ok is false for
// an ordinary document.
func Carried(d *edxml.Document) (c Dossier, ok bool) {
	for _, text := range []string{d.Code.Number, d.Code.String(), d.Other.ReferenceCodes} {
		c, err := ParseDossier(text)
		if err == nil && (strings.EqualFold(strings.TrimSpace(d.ApplicationType), ApplicationDossier) || text != d.Other.ReferenceCodes) {
			return c, true
		}
	}
	return Dossier{}, false
}

// notationDossier stands in the place of a document's notation, which no message may
// lack.
const notationDossier = "MCDT"

// Symbol is what a message that carries a dossier has in the place of a number.
func Symbol(c Dossier) edxml.Code { return edxml.Code{Number: c.String(), Notation: notationDossier} }

// Carry has a document message carry a dossier. id is the message's own DocumentId:
// a dossier may go to several offices on one day.
func Carry(d *edxml.Document, c Dossier, id string) {
	d.ApplicationType, d.Other.ReferenceCodes = ApplicationDossier, c.String()
	d.Code, d.ID = Symbol(c), id
}

// No official mapping between statuses of dossiers and StatusCode is known.
// StatusCode says what the receiving office did with the message; how far the
// dossier is travels in the synchronisation payload.

// Report is what an office tells the sender of a dossier by a status message.
type Report struct {
	Code        edxml.StatusCode
	Description string // in Vietnamese, the language of documents
}

// ToEdXML is what to tell the sender when the receiver gives a dossier a
// status. before are the statuses that it was told of before, in their order.
// tell is false when it knows all there is to say. A refusal needs its reason.
func ToEdXML(s Status, reason string, before ...Status) (r Report, tell bool, err error) {
	reason = strings.TrimSpace(reason)
	switch s {
	case Registered:
		return Report{Code: edxml.StatusArrived}, true, nil
	case Received:
		return Report{Code: edxml.StatusAccepted}, true, nil
	case Refused:
		if reason == "" {
			return Report{}, false, problem.New(problem.Usage, "dossier-code.no-reason", "reason", i18n.Args{"status": s})
		}
		return Report{edxml.StatusReturned, reason}, true, nil
	case Processing:
		if !slices.Contains(before, Processing) {
			return Report{edxml.StatusAssigned, reason}, true, nil
		}
		return Report{edxml.StatusInProgress, reason}, true, nil
	case Supplement, Payment, WithdrawalWish:
		return Report{edxml.StatusInProgress, s.with(reason)}, true, nil
	case Stopped:
		return Report{edxml.StatusDone, s.with(reason)}, true, nil
	case Done, Returned:
		if slices.Contains(before, Done) || slices.Contains(before, Returned) {
			return Report{}, false, nil
		}
		return Report{edxml.StatusDone, reason}, true, nil
	}
	_, err = ParseStatus(s.String())
	return Report{}, false, err
}

// with is the name of a status and why it was given.
func (s Status) with(reason string) string {
	name := s.Text(i18n.Vietnamese)
	if reason == "" {
		return name
	}
	return name + ": " + reason
}

// Meaning is what a StatusCode says of a dossier that was sent.
type Meaning int

// Meanings.
const (
	Unlisted    Meaning = iota // a code of no meaning here: kept as it came
	Delivered                  // it is there; a mark on the track alone
	TurnedAway                 // refused, the description is the reason
	TakenOn                    // received
	InProgress                 // worked on; the description is shown, never read into a status
	Completed                  // finished
	AboutRecall                // a recall or an update, or an answer to one: a person looks at it
)

// FromEdXML is what a received StatusCode means for the dossier at its sender:
// the status that it gets, 0 when that stays. synced is the status of the last
// synchronisation item of the receiver, 0 for none: it says how a dossier ended
// better than 06 does.
func FromEdXML(c edxml.StatusCode, synced Status) (s Status, m Meaning) {
	switch c {
	case edxml.StatusArrived:
		return 0, Delivered
	case edxml.StatusReturned:
		return Refused, TurnedAway
	case edxml.StatusAccepted:
		return Received, TakenOn
	case edxml.StatusAssigned, edxml.StatusInProgress:
		return Processing, InProgress
	case edxml.StatusDone:
		if synced == Stopped || synced == Returned {
			return synced, Completed
		}
		return Done, Completed
	case edxml.StatusTakeBack, edxml.StatusAgreed, edxml.StatusRefused:
		return 0, AboutRecall
	}
	return 0, Unlisted
}
