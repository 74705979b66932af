package web

import (
	"strconv"

	"tram/agent/web/account"
)

// entries are the menu in its order, which is the same on every page. Keys are
// fixed: an entry that a person may not use leaves its key unused.
var entries = []struct {
	href, text, key string
	who             account.Right
}{
	{"/viec-can-lam", "web.menu.work", "Alt+1", account.Lists},
	{"/van-ban-den", "web.menu.incoming", "Alt+2", account.Lists},
	{"/van-ban-di", "web.menu.outgoing", "Alt+3", account.Lists},
	{dossiersPath, "web.dossier.title", "Alt+4", account.Dossiers},
	{"/so", "web.menu.books", "Alt+5", account.ReadBooks},
	{"/tim-kiem", "web.find.title", "Alt+6 F4 /", account.Lists},
	{helpPath, "help.title", "Alt+7", signedIn},
	{adminPath, "admin.title", "Alt+8", account.Admin},
}

// menu is what the visitor may use; unanswered stands beside the incoming
// documents.
func (s *site) menu(v *visit, unanswered int, current string) []MenuItem {
	var items []MenuItem
	for _, e := range entries {
		if e.who != signedIn && !v.may(e.who) {
			continue
		}
		item := MenuItem{Href: e.href, Text: v.t(e.text), Key: e.key, Current: e.href == current}
		if e.href == "/van-ban-den" && unanswered > 0 {
			item.Count, item.Counted = strconv.Itoa(unanswered), v.t("web.menu.unanswered")
		}
		items = append(items, item)
	}
	return items
}
