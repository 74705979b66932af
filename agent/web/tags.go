package web

import (
	"strconv"

	"tram/agent/i18n"
	"tram/agent/office"
)

// Urgent is an urgency tag. Level 0 has none.
type Urgent struct {
	Level int
	Text  string
}

func (v *visit) urgent(u office.Urgency) Urgent {
	if u == office.Thuong {
		return Urgent{}
	}
	return Urgent{Level: int(u), Text: v.t("web.urgency." + strconv.Itoa(int(u)))}
}

var stateTone = map[office.State]string{
	office.Saved: "grey", office.Sending: "blue", office.AtHub: "blue", office.Delivered: "green",
	office.Accepted: "green", office.Returned: "red", office.Failed: "red", office.Arrived: "amber",
	office.Withdrawn: "grey", office.Recalled: "grey", office.Issued: "green",
}

// stateTag words how far an outgoing document, or one recipient of it, came.
func (v *visit) stateTag(s office.State) Tag {
	return Tag{Text: v.t("web.state." + string(s)), Tone: stateTone[s]}
}

// incomingTag words what this office did with an incoming document.
func (v *visit) incomingTag(d office.Document) Tag {
	switch d.State {
	case office.Accepted:
		if d.Arrival > 0 {
			return Tag{v.t("web.in.accepted-number", i18n.Args{"n": d.Arrival}), "green"}
		}
		return Tag{v.t("web.in.accepted"), "green"}
	case office.Returned:
		return Tag{v.t("web.in.returned"), "grey"}
	case office.Recalled:
		if d.Arrival > 0 { // its number stays
			return Tag{joinDots(v.t("web.state.recalled"), v.t("web.step.number", i18n.Args{"n": d.Arrival})), "grey"}
		}
		return Tag{v.t("web.state.recalled"), "grey"}
	}
	return Tag{v.t("web.in.waiting"), "amber"}
}
