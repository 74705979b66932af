package duty

import (
	"time"

	"tram/agent/hub/incident"
	"tram/storage"
)

// Undelivered are the documents that wait at the hub for their recipients.
type Undelivered struct {
	At        time.Time             `json:"at"`
	Documents []UndeliveredDocument `json:"documents"` // the most urgent first, of these the oldest
	More      bool                  `json:"more"`      // there are others
}

// UndeliveredDocument is one of them. The hub knows nothing of its content.
type UndeliveredDocument struct {
	ID         storage.ID             `json:"id"`
	Kind       string                 `json:"kind"` // "document" or "dossier"
	From       string                 `json:"from"`
	FromName   string                 `json:"from_name"`
	Urgency    int                    `json:"urgency"`        // 0 thường … 3 hỏa tốc
	Created    time.Time              `json:"created"`        // by its sender's clock
	Taken      time.Time              `json:"taken,omitzero"` // when the hub took it over
	Expires    time.Time              `json:"expires"`
	Size       int64                  `json:"size"` // bytes
	Of         int                    `json:"of"`   // recipients in all
	Recipients []UndeliveredRecipient `json:"recipients"`
}

// UndeliveredRecipient does not have it yet.
type UndeliveredRecipient struct {
	Code     string      `json:"code"`
	Name     string      `json:"name"`
	Cluster  string      `json:"cluster,omitempty"`
	Phone    string      `json:"phone,omitempty"`
	Online   bool        `json:"online"`
	Seen     time.Time   `json:"seen,omitzero"`     // last contact
	Elapsed  int64       `json:"elapsed"`           // seconds since Taken
	Due      time.Time   `json:"due,omitzero"`      // by when it ought to be there; zero: the rule is switched off
	Late     bool        `json:"late"`              // Due is over
	Incident incident.ID `json:"incident,omitzero"` // group incident that the office is out in
	Calls    []Call      `json:"calls"`             // about this document
}
