package edxml

import "time"

// Namespace is the XML namespace of the current dialect, the only one that is
// read and written.
const Namespace = "http://www.mic.gov.vn/TBT/QCVN_102_2016"

// Limits of the reader.
const (
	// MaxMessage is the largest message in bytes. A circular to 4,000 offices
	// needs about a third of it.
	MaxMessage = 4 << 20
	// MaxDepth is the deepest nesting of elements.
	MaxDepth = 32
	// MaxElements is the largest number of elements.
	MaxElements = 60_000
	// MaxWarnings bounds the warnings of one message; further ones are not kept.
	MaxWarnings = 100
)

// Message is a *[Document] or a *[Status].
type Message interface{ isMessage() }

func (*Document) isMessage() {}
func (*Status) isMessage()   {}

// Organ is an office as a message names it. Only ID is needed.
type Organ struct {
	ID        string // OrganId, the agency identity code, as received
	InCharge  string // OrganizationInCharge
	Name      string // OrganName
	Address   string // OrganAdd
	Email     string
	Telephone string
	Fax       string
	Website   string
}

// Code is số và ký hiệu.
type Code struct {
	Number   string // CodeNumber
	Notation string // CodeNotation
}

// String returns number/notation.
func (c Code) String() string {
	if c.Notation == "" {
		return c.Number
	}
	return c.Number + "/" + c.Notation
}

// Type is the kind of document. Show and route by Name: the same number means
// different types in the wild.
type Type struct {
	Number string // Type
	Detail string // TypeDetail, optional
	Name   string // TypeName
}

// Signer is who signed the document.
type Signer struct {
	Competence string // TM., KT., TL., TUQ. or Q. line, optional
	Position   string
	FullName   string
}

// Other is OtherInfo. Values are kept as written; see [Document.Urgency] for
// the priority.
type Other struct {
	Priority       string // 0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc
	Sphere         string // SphereOfPromulgation
	Typist         string // TyperNotation, the drafter's initials
	Amount         string // PromulgationAmount, number of copies
	Pages          string // PageAmount
	Direction      string // "true" or "false", meaning not published
	Appendixes     []string
	ReplyFors      string
	ReferenceCodes string
}

// ResponseFor names the document that a message answers.
type ResponseFor struct {
	OrganID    string
	Code       string // number/notation in one string
	Date       Date   // PromulgationDate
	DocumentID string
}

// Trace is one station of the message.
type Trace struct {
	OrganID string
	Time    time.Time // zero when absent or unreadable
}

// Operation is BussinessDocType: what the message does.
type Operation string

// Operations of the regulation. Others are private to one product and are
// filed as new documents.
const (
	OpNew     Operation = "0"
	OpRecall  Operation = "1"
	OpUpdate  Operation = "2"
	OpReplace Operation = "3"
)

// Business is the Bussiness element. A message without one is a new document.
type Business struct {
	DocumentID   string // target; meaningless when Operation is OpNew
	Operation    Operation
	Reason       string
	Paper        string // "0" no paper copy follows, "1" one follows
	Update       *Update
	Replacements []Replacement
	Staff        *Staff
}

// Update is BussinessDocumentInfo.
type Update struct {
	Content    string // DocumentInfo: "0" unchanged, "1" changed
	Recipients string // DocumentReceiver: "0" unchanged, "1" changed
	Receivers  []Receiver
}

// Receiver is an office added ("1") to or removed ("0") from a document.
type Receiver struct {
	OrganID string
	Type    string
}

// Replacement names a replaced document and the offices concerned.
type Replacement struct {
	DocumentID string
	OrganIDs   []string
}

// Staff is StaffInfo, the person who acted.
type Staff struct {
	Department string
	Name       string // Staff
	Mobile     string
	Email      string
}

// Reference is an attachment in the manifest. ContentID is without "cid:".
type Reference struct {
	ContentID   string
	ContentType string // decides nothing
	Description string
	Name        string // AttachmentName
}

// Document is a document message.
type Document struct {
	From            Organ
	To              []Organ
	ID              string // DocumentId, opaque: never parse it, never use it as a file name
	Code            Code
	Place           string
	Date            Date // PromulgationDate
	Type            Type
	Subject         string // trích yếu
	Content         string
	Signer          Signer
	Due             Date
	Other           Other
	ResponseFor     []ResponseFor
	SteeringType    string // carried through, never drives logic
	TaskCodes       []string
	ApplicationType string
	ToPlaces        []string // nơi nhận for information and filing
	Trace           []Trace
	Business        *Business
	Manifest        []Reference

	// Signature is the decorative envelope signature as received, byte for
	// byte. It proves nothing, is not checked and is never written.
	Signature []byte
	// Embedded lists the attachments that the message carries in itself.
	Embedded []Reference
}

// Urgency returns the priority as 0 thường to 3 hỏa tốc. 4 (hỏa tốc hẹn giờ)
// counts as 3, anything unknown as 0.
func (d *Document) Urgency() uint8 {
	switch d.Other.Priority {
	case "1":
		return 1
	case "2":
		return 2
	case "3", "4":
		return 3
	}
	return 0
}

// Operation returns what the message does; private codes count as OpNew.
func (d *Document) Operation() Operation {
	if d.Business == nil {
		return OpNew
	}
	switch d.Business.Operation {
	case OpRecall, OpUpdate, OpReplace:
		return d.Business.Operation
	}
	return OpNew
}

// Target is the DocumentId of the document that a recall or an update is about,
// "" for other messages: those replaced are listed by Business.Replacements. A
// recall without one repeats the header of the recalled document.
func (d *Document) Target() string {
	switch d.Operation() {
	case OpRecall:
		if d.Business.DocumentID == "" {
			return d.ID
		}
		return d.Business.DocumentID
	case OpUpdate:
		return d.Business.DocumentID
	}
	return ""
}

// StatusCode is a code of a status message. Codes outside the list are kept
// raw and change nothing.
type StatusCode string

// Status codes of the regulation.
const (
	StatusArrived    StatusCode = "01" // đã đến, automatic
	StatusReturned   StatusCode = "02" // từ chối tiếp nhận, with reason
	StatusAccepted   StatusCode = "03" // đã tiếp nhận, in the register
	StatusAssigned   StatusCode = "04" // phân công
	StatusInProgress StatusCode = "05" // đang xử lý
	StatusDone       StatusCode = "06" // hoàn thành
	StatusTakeBack   StatusCode = "13" // lấy lại, asked by the sender
	StatusAgreed     StatusCode = "15" // đồng ý cập nhật/lấy lại
	StatusRefused    StatusCode = "16" // từ chối cập nhật/lấy lại
)

// Known reports whether the code is one of the regulation.
func (c StatusCode) Known() bool {
	switch c {
	case StatusArrived, StatusReturned, StatusAccepted, StatusAssigned, StatusInProgress,
		StatusDone, StatusTakeBack, StatusAgreed, StatusRefused:
		return true
	}
	return false
}

// Status is a status message. Its destination is ResponseFor.OrganID.
type Status struct {
	From        Organ
	ResponseFor ResponseFor
	Staff       Staff
	Code        StatusCode
	Description string    // free text; the reason of 02, 13 and 16
	Time        time.Time // zero when unreadable
}
