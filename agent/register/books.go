package register

import (
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Kind names a book or a printed list.
type Kind string

// The books of Phụ lục IV, the lists of Phụ lục V and the reports of Phụ lục VI.
const (
	Outgoing       Kind = "outgoing"        // sổ đăng ký văn bản đi
	Incoming       Kind = "incoming"        // sổ đăng ký văn bản đến
	FollowUp       Kind = "follow-up"       // sổ theo dõi giải quyết văn bản đến
	Postal         Kind = "postal"          // sổ gửi văn bản đi bưu điện
	KeptCopies     Kind = "kept-copies"     // sổ sử dụng bản lưu
	IncomingReport Kind = "incoming-report" // báo cáo tình hình giải quyết văn bản đến
	OutgoingReport Kind = "outgoing-report" // báo cáo tình hình giải quyết văn bản đi
	FileContents   Kind = "file-contents"   // mục lục văn bản trong hồ sơ
	FileList       Kind = "file-list"       // mục lục hồ sơ
)

// Field names what stands in a column. The same field may stand in several
// books.
type Field string

// The fields of all books.
const (
	CodeOf       Field = "code"          // số, ký hiệu văn bản
	DocumentDate Field = "document-date" // ngày tháng văn bản
	TypeSubject  Field = "type-subject"  // tên loại và trích yếu
	Signer       Field = "signer"
	Destination  Field = "destination" // nơi nhận văn bản
	CopyKeeper   Field = "copy-keeper" // đơn vị, người nhận bản lưu
	Copies       Field = "copies"      // số lượng bản
	HandoverDate Field = "handover-date"
	Receipt      Field = "receipt" // ký nhận
	Remarks      Field = "remarks" // ghi chú
	ArrivalDate  Field = "arrival-date"
	ArrivalNo    Field = "arrival-number"
	Author       Field = "author"
	Recipient    Field = "recipient" // đơn vị hoặc người nhận
	Origin       Field = "origin"    // tên loại, số, ký hiệu, ngày, tháng và cơ quan ban hành
	Deadline     Field = "deadline"
	Progress     Field = "progress"
	Reply        Field = "reply"
	Envelopes    Field = "envelopes"
	Postmark     Field = "postmark"
	DateOf       Field = "date"
	UserOf       Field = "user"
	CodeDate     Field = "code-date"
	FileCode     Field = "file-code"
	ReturnDate   Field = "return-date"
	Permission   Field = "permission"
	Ordinal      Field = "ordinal"
	FullDate     Field = "full-date"
	DocAuthor    Field = "document-author"
	SheetNo      Field = "sheet-number"
	Serial       Field = "serial"
	FileNotation Field = "file-notation"
	FileTitle    Field = "file-title"
	Period       Field = "period"
	Retention    Field = "retention"
	SheetCount   Field = "sheet-count"
)

// Column is one column of a book.
type Column struct {
	Field Field
	Width int // in millimetres on the sheet; of all columns together [BodyWidth]
	Align Align
}

// Title is what the printed form says, Vietnamese whatever the page's language.
func (c Column) Title() string { return c.TitleIn(i18n.Vietnamese) }

// TitleIn is the title for a page around the form.
func (c Column) TitleIn(lang i18n.Lang) string {
	return i18n.T(lang, "register.column."+string(c.Field))
}

// Book is a form: a book that is printed and bound, or a list.
type Book struct {
	Kind    Kind
	Columns []Column
	Numbers bool // the cover says "Từ số … đến số …"
	Bound   bool // a book in volumes; a list or report has none
}

// Name is the title of the book as pages show it.
func (b Book) Name(lang i18n.Lang) string { return i18n.T(lang, "register.book."+string(b.Kind)) }

// Title is the title as the form prints it.
func (b Book) Title() string { return strings.ToUpper(b.Name(i18n.Vietnamese)) }

// BodyWidth is the width of all columns of a book together, in millimetres.
const BodyWidth = 257

// books holds every form. Widths are BodyWidth in sum; a test holds that.
var books = []Book{
	{Kind: Outgoing, Numbers: true, Bound: true, Columns: []Column{
		{CodeOf, 26, Left}, {DocumentDate, 19, Center}, {TypeSubject, 62, Left}, {Signer, 23, Left}, {Destination, 40, Left},
		{CopyKeeper, 22, Left}, {Copies, 12, Center}, {HandoverDate, 19, Center}, {Receipt, 13, Left}, {Remarks, 21, Left},
	}},
	{Kind: Incoming, Numbers: true, Bound: true, Columns: []Column{
		{ArrivalDate, 19, Center}, {ArrivalNo, 12, Center}, {Author, 34, Left}, {CodeOf, 26, Left}, {DocumentDate, 19, Center},
		{TypeSubject, 66, Left}, {Recipient, 27, Left}, {HandoverDate, 19, Center}, {Receipt, 14, Left}, {Remarks, 21, Left},
	}},
	{Kind: FollowUp, Bound: true, Columns: []Column{
		{ArrivalNo, 15, Center}, {Origin, 84, Left}, {Recipient, 36, Left}, {Deadline, 24, Center}, {Progress, 40, Left},
		{Reply, 30, Left}, {Remarks, 28, Left},
	}},
	{Kind: Postal, Numbers: true, Bound: true, Columns: []Column{
		{HandoverDate, 26, Center}, {CodeOf, 46, Left}, {Destination, 80, Left}, {Envelopes, 20, Center}, {Postmark, 50, Left}, {Remarks, 35, Left},
	}},
	{Kind: KeptCopies, Numbers: true, Bound: true, Columns: []Column{
		{DateOf, 21, Center}, {UserOf, 32, Left}, {CodeDate, 32, Left}, {TypeSubject, 63, Left}, {FileCode, 24, Left},
		{Receipt, 18, Left}, {ReturnDate, 21, Center}, {Permission, 25, Left}, {Remarks, 21, Left},
	}},
	{Kind: IncomingReport, Columns: []Column{
		{ArrivalNo, 15, Center}, {Origin, 84, Left}, {Recipient, 36, Left}, {Deadline, 24, Center}, {Progress, 40, Left},
		{Reply, 30, Left}, {Remarks, 28, Left},
	}},
	{Kind: OutgoingReport, Columns: []Column{
		{CodeOf, 32, Left}, {DocumentDate, 24, Center}, {TypeSubject, 84, Left}, {Destination, 44, Left}, {Progress, 45, Left}, {Remarks, 28, Left},
	}},
	{Kind: FileContents, Columns: []Column{
		{Ordinal, 13, Center}, {CodeOf, 34, Left}, {FullDate, 26, Center}, {TypeSubject, 94, Left}, {DocAuthor, 42, Left}, {SheetNo, 20, Center}, {Remarks, 28, Left},
	}},
	{Kind: FileList, Columns: []Column{
		{Serial, 13, Center}, {FileNotation, 36, Left}, {FileTitle, 98, Left}, {Period, 36, Center}, {Retention, 26, Center}, {SheetCount, 20, Center}, {Remarks, 28, Left},
	}},
}

// Books lists all forms in the order of the decree.
func Books() []Book { return slices.Clone(books) }

// Find returns the form named kind.
func Find(kind Kind) (Book, error) {
	for _, b := range books {
		if b.Kind == kind {
			return b, nil
		}
	}
	return Book{}, problem.New(problem.NotFound, "register.unknown-book", "kind", i18n.Args{"kind": string(kind)})
}

// has reports whether the book has a column for field.
func (b Book) has(field Field) bool {
	return slices.ContainsFunc(b.Columns, func(c Column) bool { return c.Field == field })
}
