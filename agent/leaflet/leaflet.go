// Package leaflet makes the one page of paper that goes with a stick: how an
// officer installs Trạm from it, what is asked, and what to do when it fails.
//
// It promises one page, the same bytes for the same release, and nothing on it
// that the officer is to compare with what the machine says: whoever changed the
// stick could have changed the page. The fingerprint stands on the paper that comes
// with the invites.
package leaflet

import (
	"errors"
	"fmt"
	"time"

	"tram/agent/i18n"
	"tram/agent/typeset"
)

// Where things are, in the examples of the page.
const (
	linuxStick   = "/media/usb/tram"
	windowsStick = `E:\tram`
	windowsTram  = `"C:\Program Files\tram\tram.exe"`
)

// Sizes of the type.
const (
	titleSize typeset.Length = 17_000
	headSize  typeset.Length = 12_500
	bodySize  typeset.Length = 11_500
	noteSize  typeset.Length = 10_500
)

// faults are the rows of what may go wrong, by their keys.
var faults = []string{"program", "room", "signature", "several", "invite", "clock", "line", "windows7"}

// errLong says that the texts no longer fit on one page.
var errLong = errors.New("the leaflet is longer than a page")

// Release is what a leaflet is for.
type Release struct {
	Version string
	Pages   string // address of the pages on the machine itself
	Made    time.Time
}

// PDF is the leaflet of a release.
func PDF(lang i18n.Lang, r Release) ([]byte, error) {
	l := &leaflet{lang: lang, Flow: typeset.NewFlow()}
	l.Text(l.t("title", nil), typeset.Bold, titleSize, typeset.Center)
	l.Text(l.t("release", i18n.Args{"version": r.Version}), typeset.Italic, noteSize, typeset.Center)
	l.Gap(typeset.MM(20))
	l.Text(l.t("needs", nil), typeset.Regular, bodySize, typeset.Left)

	l.head("install")
	l.command("linux", "sudo sh "+linuxStick+"/install.sh")
	l.command("windows", windowsStick+`\install.cmd`)
	l.note("install.note", i18n.Args{"path": linuxStick})

	l.head("enrol")
	l.command("linux", "sudo tram enroll "+linuxStick+"/invites")
	l.command("windows", windowsTram+" enroll "+windowsStick+`\invites`)
	l.note("enrol.note", nil)

	l.head("question")
	l.Text(l.t("question.text", nil), typeset.Regular, bodySize, typeset.Left)

	l.head("after")
	for _, key := range []string{"after.line", "after.pages", "after.care"} {
		l.Text("– "+l.t(key, i18n.Args{"address": r.Pages}), typeset.Regular, bodySize, typeset.Left)
	}

	l.head("trouble")
	l.table()
	l.note("check", i18n.Args{"command": "tram update verify " + linuxStick})
	if len(l.Pages) != 1 {
		return nil, errLong
	}
	info := typeset.Info{Title: l.t("title", nil), Author: "Trạm " + r.Version, Made: r.Made}
	pdf, err := typeset.PDFBytes(info, l.Pages)
	if err != nil {
		return nil, fmt.Errorf("make leaflet: %w", err)
	}
	return pdf, nil
}

// leaflet is a page that is being set.
type leaflet struct {
	*typeset.Flow
	lang i18n.Lang
}

func (l *leaflet) t(key string, args i18n.Args) string { return i18n.T(l.lang, "leaflet."+key, args) }

func (l *leaflet) head(key string) {
	l.Gap(typeset.MM(30))
	l.Text(l.t(key, nil), typeset.Bold, headSize, typeset.Left)
	l.Gap(typeset.MM(8))
}

func (l *leaflet) note(key string, args i18n.Args) {
	l.Gap(typeset.MM(8))
	l.Text(l.t(key, args), typeset.Regular, noteSize, typeset.Left)
}

// Width of the column that names the system before a command, and the room above and
// below a command in its frame.
var (
	labelWidth   = typeset.MM(230)
	commandSpace = typeset.MM(12)
)

// command frames what is to be typed on one kind of system.
func (l *leaflet) command(system, typed string) {
	size, page := bodySize, l.Page()
	high := typeset.Leading(size) + 2*commandSpace
	page.Box(typeset.PageLeft, l.Y, typeset.PageRoom, high, typeset.Hairline)
	base := l.Y + commandSpace + typeset.Rise(size)
	page.Put(l.t("on."+system, nil), typeset.Italic, size, typeset.PageLeft+typeset.CellPadX, base, 0, typeset.Left)
	page.Put(typed, typeset.Bold, size, typeset.PageLeft+labelWidth, base, 0, typeset.Left)
	l.Y += high
}

func (l *leaflet) table() {
	columns := []typeset.TableColumn{{Width: 650}, {Width: 1000}}
	var rows [][]string
	for _, f := range faults {
		rows = append(rows, []string{l.t("fault."+f, nil), l.t("fault."+f+".do", nil)})
	}
	l.Table(columns, []string{l.t("fault", nil), l.t("fault.do", nil)}, rows)
}
