package ca

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"path/filepath"
	"strings"
	"time"

	"rsc.io/qr"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// SheetFile is the name of the printable sheet beside invite files.
const SheetFile = "phieu-moi.html"

//go:embed sheet/sheet.html
var sheetText string

var sheetPage = template.Must(template.New("sheet").Parse(sheetText))

// Sheet makes the page that goes on paper with invites: for each office its
// name, the short code of its invite, the file, and the CA's fingerprint as
// words, hex and QR code, in both languages. It holds no secret: whoever finds
// the paper cannot enrol.
func Sheet(made []Made, now time.Time) ([]byte, error) {
	view := sheetView{Words: bilingual("sheet.title", nil), Made: now}
	for _, m := range made {
		if m.Raw == nil {
			continue
		}
		inv, err := invite.Parse(m.Raw)
		if err != nil {
			return nil, fmt.Errorf("make sheet: %w", err)
		}
		slip, err := slipOf(inv, m.File)
		if err != nil {
			return nil, fmt.Errorf("make sheet: %w", err)
		}
		view.Slips = append(view.Slips, slip)
	}
	var page bytes.Buffer
	if err := sheetPage.Execute(&page, view); err != nil {
		return nil, fmt.Errorf("make sheet: %w", err)
	}
	return page.Bytes(), nil
}

// WriteSheet writes the sheet of invites into dir.
func WriteSheet(dir string, made []Made, now time.Time) error {
	page, err := Sheet(made, now)
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(filepath.Join(dir, SheetFile), page, keystore.FileMode); err != nil {
		return fmt.Errorf("write sheet: %w", err)
	}
	return nil
}

// both is one text in both languages.
type both struct{ Vi, En string }

func bilingual(key string, args i18n.Args) both {
	return both{i18n.T(i18n.Vietnamese, key, args), i18n.T(i18n.English, key, args)}
}

type sheetView struct {
	Words both
	Made  time.Time
	Slips []slip
}

// slip is one office on the sheet.
type slip struct {
	Code, Name, Hub, Short, File, Words, Hex string
	Facts                                    []fact
	Steps                                    []both
	QR                                       template.HTML // made here from a matrix of bits
}

type fact struct {
	Label both
	Value string
}

func slipOf(inv *invite.Invite, file string) (slip, error) {
	words := invite.Words(inv.CA)
	s := slip{Code: inv.Code, Name: inv.Name, Hub: inv.HubName, Short: inv.ID.ShortCode(), File: file, Words: words, Hex: invite.Fingerprint(inv.CA)}
	s.Facts = []fact{
		{bilingual("sheet.code", nil), inv.Code},
		{bilingual("sheet.short", nil), s.Short},
		{bilingual("sheet.file", nil), file},
		{bilingual("sheet.until", nil), inv.NotAfter.Format("02/01/2006")},
		{bilingual("sheet.enroll", nil), strings.Join(inv.Enroll, ", ")},
	}
	for _, key := range []string{"sheet.step.insert", "sheet.step.run", "sheet.step.compare", "sheet.step.offline"} {
		s.Steps = append(s.Steps, bilingual(key, i18n.Args{"file": file}))
	}
	code, err := qr.Encode(strings.Join([]string{"TRAM", inv.Code, s.Short, words, s.Hex}, "\n"), qr.M)
	if err != nil {
		return s, err
	}
	s.QR = drawQR(code)
	return s, nil
}

// quietZone is the white border that ISO/IEC 18004 asks for, in modules.
const quietZone = 4

// drawQR draws a code as SVG, one path for all dark modules.
func drawQR(code *qr.Code) template.HTML {
	size := code.Size + 2*quietZone
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="QR"><rect width="%d" height="%d" fill="#fff"/><path d="`, size, size, size, size)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quietZone, y+quietZone)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String())
}
