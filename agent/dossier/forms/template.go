package forms

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tram/agent/clock"
)

// Form is the number of a form in the circular.
type Form string

// The forms.
const (
	Receipt    Form = "01" // giấy tiếp nhận hồ sơ và hẹn trả kết quả
	Supplement Form = "02" // phiếu yêu cầu bổ sung, hoàn thiện hồ sơ
	Refusal    Form = "03" // phiếu từ chối tiếp nhận giải quyết hồ sơ
	Apology    Form = "04" // văn bản xin lỗi và đề nghị gia hạn thời gian giải quyết
	Stop       Form = "05" // thông báo dừng giải quyết hồ sơ
	Control    Form = "06" // phiếu kiểm soát quá trình giải quyết hồ sơ
	Book       Form = "07" // sổ theo dõi hồ sơ
)

// All forms in their order.
var All = []Form{Receipt, Supplement, Refusal, Apology, Stop, Control, Book}

// Template is what one form looks like from a day on.
type Template struct {
	Form      Form     `json:"form"`
	Version   string   `json:"version"`
	ValidFrom string   `json:"valid_from"` // yyyy-mm-dd
	From      string   `json:"from"`       // whose name heads it: "desk" or "office"
	Number    string   `json:"number"`     // line for a number, "" for none
	Name      string   `json:"name"`       // as pages call it
	Title     string   `json:"title"`
	Blocks    []block  `json:"blocks"`
	Book      []column `json:"book"` // columns of form 07
}

// block is one line, table or row of signatures. Texts may name values in braces.
type block struct {
	When string `json:"when"` // value without which it is left out
	Bold bool   `json:"bold"`

	Field string `json:"field"` // label of a value
	Value string `json:"value"`
	Dots  int    `json:"dots"` // lines to write on when there is no value; 0: it is left out

	Text   string `json:"text"`
	Italic bool   `json:"italic"`
	Center bool   `json:"center"`

	Table   string   `json:"table"`
	Columns []column `json:"columns"`
	Empty   string   `json:"empty"` // instead of a table without rows

	Sign []signer `json:"sign"`

	Code   string `json:"code"` // label of the dossier's code, with a QR code beside it
	Lookup string `json:"lookup"`
	QR     string `json:"qr"`
	Hint   string `json:"hint"`
}

// column is one of a table, its width in tenths of a millimetre, or of the book, in
// millimetres.
type column struct {
	Group  string `json:"group"`
	Title  string `json:"title"`
	Value  string `json:"value"`
	Width  int    `json:"width"`
	Center bool   `json:"center"`
}

// signer is a place to sign.
type signer struct {
	Title string `json:"title"`
	Hint  string `json:"hint"`
	Name  string `json:"name"` // value below
}

// templates is the data file.
type templates struct {
	Nation string            `json:"nation"`
	Motto  string            `json:"motto"`
	Desk   string            `json:"desk"`
	Footer string            `json:"footer"`
	Words  map[string]string `json:"words"`
	Forms  []Template        `json:"forms"`
}

//go:embed templates.json
var templatesFile []byte

var law = mustRead(templatesFile)

func mustRead(data []byte) templates {
	var t templates
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		panic(fmt.Sprintf("forms: templates.json: %v", err))
	}
	return t
}

// For is the template of a form that holds at a time: the newest that is valid from
// that day or before, else the oldest.
func For(f Form, at time.Time) Template { return law.pick(f, at) }

func (l templates) pick(f Form, at time.Time) (found Template) {
	day := at.In(clock.Vietnam).Format(time.DateOnly)
	for _, t := range l.Forms {
		if t.Form != f {
			continue
		}
		oldest := found.ValidFrom == "" || found.ValidFrom > day && t.ValidFrom < found.ValidFrom
		newer := t.ValidFrom <= day && (found.ValidFrom > day || t.ValidFrom >= found.ValidFrom)
		if oldest || newer {
			found = t
		}
	}
	return found
}

// word is a text of the data file with values put in.
func word(key string, pairs ...string) string { return fill(law.Words[key], pairs...) }

// fill puts values in for {names}.
func fill(text string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
