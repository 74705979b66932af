package web

import (
	"context"
	"net/http"

	"tram/agent/office"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// Who may use a route: a right of account, or one of these.
const (
	anybody  = page.Anybody
	signedIn = page.SignedIn
)

// route is one address with the rule that guards it.
type route struct {
	who     account.Right
	pattern string // of http.ServeMux
	do      handler
	early   bool // open while the password is a temporary one
	files   bool // carries files: do bounds its body and looks at its token
}

// table lists every address of the pages but those of assets. There is no
// other way to add one, and a test holds a rule for each.
func (s *site) table() []route {
	all := []route{
		{who: account.Accounts, pattern: "GET /nguoi-dung", do: s.users},
		{who: account.Accounts, pattern: "POST /nguoi-dung", do: s.createUser},
		{who: account.Accounts, pattern: "GET /nguoi-dung/{name}", do: s.oneUser},
		{who: account.Accounts, pattern: "POST /nguoi-dung/{name}", do: s.changeUser},
		{who: account.Accounts, pattern: "GET /chung-thu", do: s.certificate},
		{who: account.Accounts, pattern: "GET /chung-thu/goc.crt", do: s.certificateRoot},

		{who: account.Lists, pattern: "GET /{$}", do: s.home},
		{who: account.Lists, pattern: "GET /viec-can-lam", do: s.work},
		{who: account.Lists, pattern: "GET /van-ban-den", do: s.incoming},
		{who: account.Lists, pattern: "GET /van-ban-den/{id}", do: s.incomingOne},
		{who: account.Lists, pattern: "GET /van-ban-di", do: s.outgoing},
		{who: account.Lists, pattern: "GET /van-ban-di/{id}", do: s.outgoingOne},
		{who: account.Lists, pattern: "GET /van-ban-di/{id}/phieu-gui", do: s.slip},
		{who: account.Lists, pattern: "GET /hop-gui", do: s.outbox},

		{who: account.Answer, pattern: "POST /van-ban-den/{id}/tiep-nhan", do: s.accept},
		{who: account.Answer, pattern: "POST /van-ban-den/{id}/tra-lai", do: s.sendBack},
		{who: account.Answer, pattern: "POST /van-ban-den/{id}/dong-y", do: s.grant},
		{who: account.Answer, pattern: "POST /van-ban-den/{id}/tu-choi", do: s.refuse},
		{who: account.Answer, pattern: "POST /van-ban-den/{id}/kiem-lai", do: s.recheck},
		{who: account.Lists, pattern: "GET /van-ban-den/{id}/kiem-tra/{index}", do: s.checkReport},
		{who: account.Handed, pattern: "GET /van-ban-den/{id}/ban-da-ky/{index}", do: s.reading(office.In, s.signedRevision)},
		{who: account.Send, pattern: "POST /van-ban-di/{id}/gui-ngay", do: s.sendNow},
		{who: account.Send, pattern: "POST /van-ban-di/{id}/rut-lai", do: s.withdraw},
		{who: account.Send, pattern: "POST /van-ban-di/{id}/thu-hoi", do: s.recall},
		{who: account.Send, pattern: "GET /gui", do: s.sendForm},
		{who: account.Send, pattern: "POST /gui", do: s.send, files: true},
		{who: account.Send, pattern: "GET /gui/edxml", do: s.importForm},
		{who: account.Send, pattern: "POST /gui/edxml", do: s.importFiles, files: true},
		{who: account.Send, pattern: "GET /noi-nhan", do: s.recipients},

		{who: account.Send, pattern: "GET /ky-so", do: s.signList},
		{who: account.Send, pattern: "POST /ky-so", do: s.signNew, files: true},
		{who: account.Send, pattern: "GET /ky-so/{id}", do: s.signOne},
		{who: account.Send, pattern: "GET /ky-so/{id}/tep", do: s.signFile},
		{who: account.Send, pattern: "POST /ky-so/{id}/goi", do: s.signCall},
		{who: account.Send, pattern: "POST /ky-so/{id}/tai-len", do: s.signBring, files: true},
		{who: account.Send, pattern: "POST /ky-so/{id}/bo", do: s.signDrop},
		// The signing agent is no browser: its tokens stand in the address.
		{who: anybody, pattern: "GET /ky/{token}", do: s.agentFetch},
		{who: anybody, pattern: "POST /ky/{token}", do: s.agentDeliver, files: true},
	}
	for _, rt := range s.Routes() {
		all = append(all, route{who: rt.Who, pattern: rt.Pattern, do: func(ctx context.Context, v *visit) error { return rt.Do(ctx, v.Visit) },
			early: rt.Early, files: rt.Files})
	}
	all = append(all, s.adminRoutes()...)
	all = append(all, s.helpRoutes()...)
	all = append(all, s.lookUpRoutes()...)
	all = append(all, s.stickRoutes()...)
	all = append(all, s.paperRoutes()...)
	all = append(all, s.findRoutes()...)
	for path, box := range map[string]office.Box{"van-ban-den": office.In, "van-ban-di": office.Out} {
		all = append(all,
			route{who: account.Handed, pattern: "GET /" + path + "/{id}/tep/{index}", do: s.reading(box, s.file)},
			route{who: account.Handed, pattern: "GET /" + path + "/{id}/goi", do: s.reading(box, s.export)},
			route{who: account.Handed, pattern: "GET /" + path + "/{id}/edxml", do: s.reading(box, s.exportEdXML)})
	}
	all = append(all, s.composeRoutes()...)
	all = append(all, s.bookRoutes()...)
	all = append(all, s.dossierRoutes()...)
	all = append(all, s.dossierFormRoutes()...)
	return append(all, s.handlingRoutes()...)
}

func (s *site) routes() http.Handler {
	var all []page.Route
	for _, rt := range s.table() {
		all = append(all, page.Route{Who: rt.who, Pattern: rt.pattern, Do: func(ctx context.Context, v *page.Visit) error { return rt.do(ctx, visitOf(v)) },
			Early: rt.early, Files: rt.files})
	}
	return s.Serve(all)
}
