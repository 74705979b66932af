package office

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/storage"
)

// What stands in every document of ours because the national samples all have
// it and the draft says nothing about it.
const (
	defaultAbbreviation = "UBND"
	defaultSphere       = "Liên thông văn bản quốc gia"
	defaultTypist       = "VT"
	defaultSteering     = "1"
	reasonNew           = "Văn bản điện tử mới"
	clerkDepartment     = "Văn thư"
	unknownPages        = "0"
)

// ranks are the words before the proper name in the names of local offices.
var ranks = []string{
	"Ủy ban nhân dân", "UBND", "xã", "phường", "thị trấn", "đặc khu", "huyện", "quận", "thị xã", "thành phố", "tỉnh",
}

func (l Letterhead) withDefaults(office string) Letterhead {
	if l.Abbreviation == "" {
		l.Abbreviation = defaultAbbreviation
	}
	if l.Signer == "" {
		l.Signer = office
	}
	if l.Place == "" {
		l.Place = placeOf(office)
	}
	return l
}

// placeOf takes the place out of an office's name: UBND xã Tân Phú is in Tân Phú.
func placeOf(office string) string {
	place := strings.TrimSpace(office)
	for changed := true; changed; {
		changed = false
		for _, rank := range ranks {
			head, rest, found := strings.Cut(place, " ")
			for n := strings.Count(rank, " "); n > 0 && found; n-- {
				var word string
				word, rest, found = strings.Cut(rest, " ")
				head += " " + word
			}
			if found && strings.EqualFold(head, rank) {
				place, changed = strings.TrimSpace(rest), true
			}
		}
	}
	return place
}

// notation makes the ký hiệu: type and office, or the office alone for types
// without an abbreviation.
func (l Letterhead) notation(kind edxml.Kind) string {
	if kind.Abbr == edxml.KindCongVan || kind.Abbr == edxml.KindThuCong {
		return l.Abbreviation
	}
	return kind.Abbr + "-" + l.Abbreviation
}

// formatNumber writes a document number: below 10 with a leading zero.
func formatNumber(n int) string { return fmt.Sprintf("%02d", n) }

// message is the edXML of a checked draft.
func (o *Office) message(id storage.ID, l letter, files []file) *edxml.Document {
	d := &edxml.Document{
		From: o.organ(), ID: edxml.ClassicID(o.me.Code, l.date, l.code), Code: l.code, Place: o.letter.Place, Date: l.date,
		Type:    edxml.Type{Number: l.kind.Number, Name: l.kind.Name},
		Subject: l.subject, Content: l.content,
		Signer: edxml.Signer{Position: l.position, FullName: l.signer},
		Other: edxml.Other{
			Priority: strconv.Itoa(int(l.urgency)), Sphere: defaultSphere, Typist: defaultTypist,
			Amount: strconv.Itoa(len(l.to)), Pages: unknownPages, Direction: "false",
		},
		SteeringType: defaultSteering,
		Trace:        []edxml.Trace{{OrganID: o.me.Code, Time: l.at}},
		Business:     l.change.business(l),
		ResponseFor:  l.answers,
	}
	for _, c := range l.to {
		d.To = append(d.To, edxml.Organ{ID: c.Code, InCharge: c.Name, Name: c.Name})
	}
	for i, f := range files {
		d.Manifest = append(d.Manifest, edxml.Reference{
			ContentID: contentID(id, i), ContentType: f.media, Description: f.name, Name: f.name,
		})
	}
	if !l.carries.IsZero() {
		code.Carry(d, l.carries, l.edxmlID(o.me.Code, id))
	}
	return d
}

// edxmlID is the DocumentId.
func (l letter) edxmlID(organ string, id storage.ID) string {
	switch {
	case l.given != nil:
		return l.given.id
	case !l.carries.IsZero():
		return id.String()
	}
	return classicID(organ, l)
}

func contentID(id storage.ID, index int) string { return id.String() + "-" + strconv.Itoa(index) }

// letter is a draft that passed all checks.
type letter struct {
	to               []registry.Card
	via              map[string]string // connector of those outside of Trạm, by code
	moved            map[string]string // of those named by an old code, that code by the one of today
	subject, content string
	urgency          Urgency
	kind             edxml.Kind
	code             edxml.Code // number still empty when the series gives it
	date             edxml.Date
	signer, position string
	by, key          string
	cleared, copied  bool
	at               time.Time
	answers          []edxml.ResponseFor
	carries          code.Dossier
	change           *change // nil for a document that stands alone
	given            *given  // of a message that was handed over; nil for a draft
	handed           Handed
}

// year is the year whose series the number belongs to.
func (l letter) year() int { return l.date.Day.Year() }
