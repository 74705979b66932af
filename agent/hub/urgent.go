package hub

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tram/agent/api"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// Paths of the local interface about documents that have not arrived.
const (
	UndeliveredPath = "/v1/undelivered" // GET, ?all=true for ordinary ones too
	CalledPath      = "/v1/undelivered/called"
	ContactPath     = "/v1/offices/contact"
)

// maxUndelivered bounds the pairs of document and recipient that are listed.
const maxUndelivered = 5000

func documents(list []queue.Pending) []incident.Document {
	docs := make([]incident.Document, 0, len(list))
	for _, p := range list {
		docs = append(docs, incident.Document{ID: p.ID.String(), From: p.From, Urgency: int(p.Urgency), Since: p.Taken, Waiting: p.Peers})
	}
	return docs
}

// Undelivered lists the documents that wait for their recipients: the urgent ones, or
// all.
func (h *Hub) Undelivered(ctx context.Context, all bool) (duty.Undelivered, error) {
	u := duty.Undelivered{At: time.Now(), Documents: []duty.UndeliveredDocument{}}
	least := uint8(1)
	if all {
		least = 0
	}
	list, more, err := h.queue.Pending(ctx, letterKinds, least, maxUndelivered)
	if err != nil {
		return u, err
	}
	u.More = more
	ids, offices := make([]storage.ID, 0, len(list)), map[string]bool{}
	for _, p := range list {
		ids = append(ids, p.ID)
		for _, peer := range p.Peers {
			offices[peer] = true
		}
	}
	calls, err := h.duty.room.Calls(ctx, ids)
	if err != nil {
		return u, err
	}
	recipient, err := h.recipients(ctx, slices.Collect(maps.Keys(offices)))
	if err != nil {
		return u, err
	}
	for _, p := range list {
		d := duty.UndeliveredDocument{
			ID: p.ID, Kind: kindName(p.Kind), From: p.From, FromName: h.nameOf(p.From), Urgency: int(p.Urgency),
			Created: p.Created, Taken: p.Taken, Expires: p.Expires, Size: p.Size, Of: p.To,
		}
		for _, peer := range p.Peers {
			r := recipient(peer)
			r.Elapsed = int64(u.At.Sub(p.Taken) / time.Second)
			r.Due = h.duty.room.Settings().Due(r.Cluster, int(p.Urgency), p.Taken)
			r.Late = !r.Due.IsZero() && !u.At.Before(r.Due)
			for _, c := range calls[p.ID] {
				if strings.EqualFold(c.Office, peer) {
					r.Calls = append(r.Calls, c)
				}
			}
			d.Recipients = append(d.Recipients, r)
		}
		u.Documents = append(u.Documents, d)
	}
	return u, nil
}

func kindName(kind uint8) string {
	if kind == letterKinds[1] {
		return "dossier"
	}
	return "document"
}

// recipients tells of an office what does not depend on the document.
func (h *Hub) recipients(ctx context.Context, codes []string) (func(code string) duty.UndeliveredRecipient, error) {
	contacts, err := duty.Contacts(ctx, h.db)
	if err != nil {
		return nil, err
	}
	outages, err := h.duty.room.OutagesOf(ctx)
	if err != nil {
		return nil, err
	}
	boxes, err := h.fleet.Some(ctx, codes)
	if err != nil {
		return nil, err
	}
	return func(code string) duty.UndeliveredRecipient {
		b := boxes[code]
		return duty.UndeliveredRecipient{
			Code: code, Name: cmp.Or(b.Name, h.nameOf(code)), Cluster: b.Cluster, Phone: contacts[registry.Key(code)].Phone, Online: b.Online, Seen: b.Seen,
			Incident: outages[code], Calls: []duty.Call{},
		}
	}, nil
}

// Called says that somebody called an office about a document.
type Called struct {
	Document storage.ID `json:"document"`
	Office   string     `json:"office"`
	Note     string     `json:"note,omitempty"`
}

// Called writes down a call. Problem hub.no-office, duty.document for a document that
// does not wait here, and those of duty.Room.
func (h *Hub) Called(ctx context.Context, c Called, by string) (duty.Call, error) {
	card, err := h.registry.Lookup(c.Office)
	if errors.Is(err, registry.ErrNotFound) {
		return duty.Call{}, problem.New(problem.NotFound, "hub.no-office", "office", i18n.Args{"code": c.Office})
	}
	if err != nil {
		return duty.Call{}, err
	}
	err = h.db.View(ctx, func(tx *sqlite.Tx) error {
		_, err := h.queue.Find(tx, c.Document)
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return duty.Call{}, problem.New(problem.NotFound, "duty.document", "document", i18n.Args{"id": c.Document.String()})
	}
	if err != nil {
		return duty.Call{}, err
	}
	return h.duty.room.Called(ctx, duty.Call{Document: c.Document, Office: card.Code, By: by, Note: c.Note})
}

// SetContact replaces whom to call in an office. Problem hub.no-office, and those of
// duty.SetContacts.
func (h *Hub) SetContact(ctx context.Context, c duty.Contact, by string) (duty.Contact, error) {
	card, err := h.registry.Lookup(c.Office)
	if errors.Is(err, registry.ErrNotFound) {
		return c, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": c.Office})
	}
	if err != nil {
		return c, err
	}
	c.Office = card.Code
	return c, h.db.Update(ctx, func(tx *sqlite.Tx) error { return duty.SetContacts(tx, by, []duty.Contact{c}) })
}

// setContacts takes the contacts of a list of offices.
func (h *Hub) setContacts(ctx context.Context, list []registry.Entry, by string) error {
	var contacts []duty.Contact
	for _, e := range list {
		if e.HasContact {
			contacts = append(contacts, duty.Contact{Office: e.Code, Phone: e.Contact.Phone, Carrier: e.Contact.Carrier, Station: e.Contact.Station})
		}
	}
	if len(contacts) == 0 {
		return nil
	}
	return h.db.Update(ctx, func(tx *sqlite.Tx) error { return duty.SetContacts(tx, by, contacts) })
}

// urgentRoutes are the calls of `tram-hub urgent` and `tram-hub offices contact`.
func (h *Hub) urgentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+UndeliveredPath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Undelivered(r.Context(), r.URL.Query().Get("all") == "true")
	}))
	mux.HandleFunc("POST "+CalledPath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var c Called
		if err := api.ReadJSONWithin(r.Body, maxChange, &c); err != nil {
			return nil, err
		}
		return h.Called(r.Context(), c, "cli")
	}))
	mux.HandleFunc("POST "+ContactPath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var c duty.Contact
		if err := api.ReadJSONWithin(r.Body, maxChange, &c); err != nil {
			return nil, err
		}
		return h.SetContact(r.Context(), c, "cli")
	}))
}
