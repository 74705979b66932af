package dossier

import (
	"time"

	"tram/storage"
)

// Kind is what happened to a dossier.
type Kind string

// The kinds. Those with a status move the dossier, the others note something.
const (
	Filed            Kind = "filed"             // 1: registered, not looked at
	Accepted         Kind = "accepted"          // 2: the clock starts
	Refused          Kind = "refused"           // 3
	Started          Kind = "started"           // 4: somebody works on it
	SupplementAsked  Kind = "supplement-asked"  // 5: the clock stands
	Supplemented     Kind = "supplemented"      // back to where it was
	PaymentAsked     Kind = "payment-asked"     // 6
	Paid             Kind = "paid"              // back to where it was
	WithdrawalAsked  Kind = "withdrawal-asked"  // 7
	WithdrawalDenied Kind = "withdrawal-denied" // back to where it was
	Withdrawn        Kind = "withdrawn"         // 8, as the applicant wished
	Stopped          Kind = "stopped"           // 8, as the office decided
	Finished         Kind = "finished"          // 9: there is a result
	Reopened         Kind = "reopened"          // 4 again: the result was wrong
	Returned         Kind = "returned"          // 10: the applicant has it

	Extended  Kind = "extended"   // apology with a new date
	Noted     Kind = "noted"      // a note of progress
	FeePaid   Kind = "fee-paid"   // a fee was paid that nothing waited for
	Linked    Kind = "linked"     // a document was drafted for it
	Printed   Kind = "printed"    // a form was printed
	Erased    Kind = "erased"     // personal data were given up
	HandedOn  Kind = "handed-on"  // given to another office
	HandTaken Kind = "hand-taken" // a person of that office signed for it
	Answered  Kind = "answered"   // that office gave its result
	HandBack  Kind = "hand-back"  // that office refused it
	HandEnded Kind = "hand-ended" // called back, or it never arrived
	Recalled  Kind = "recalled"   // 8: the office that handed it over called it back
)

// Event is one thing that happened. Events are never changed; how a dossier stands
// is what [Fold] makes of them.
type Event struct {
	ID     storage.ID `json:"id"` // the same at every office that has it
	Kind   Kind       `json:"kind"`
	At     time.Time  `json:"at"`     // when it happened, by the clock of the office where it did
	Office string     `json:"office"` // code of that office
	By     string     `json:"by"`     // person or system, by its shown name
	Text   string     `json:"text,omitempty"`
	Legal  string     `json:"legal,omitempty"` // căn cứ pháp lý
	// Due is the date of return that holds from now on, of what starts, moves or
	// resumes the clock.
	Due time.Time `json:"due,omitzero"`
	// Unsure says that the clock of that office was not to be believed: deadlines then
	// count by days.
	Unsure bool `json:"unsure,omitempty"`
	// Transfer is the hand-over that it belongs to.
	Transfer storage.ID `json:"transfer,omitzero"`
	// Moot says that it came too late to move the dossier, such as a result after it
	// was stopped. It stays in the history.
	Moot   bool      `json:"moot,omitempty"`
	Learnt time.Time `json:"learnt,omitzero"` // when it was written here; not told to others

	seq int64 // in this office\'s store
}
