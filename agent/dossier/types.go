package dossier

import (
	"time"

	"tram/agent/dossier/code"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Channel is how a dossier was handed in (KenhThucHien).
type Channel int

// The channels. Their numbers are those of the national payload.
const (
	AtDesk Channel = 1 + iota // trực tiếp
	Online                    // trực tuyến
	ByPost                    // bưu chính công ích
)

// ApplicantKind is who the applicant is (LoaiDoiTuong).
type ApplicantKind int

// The kinds. Their numbers are those of the national payload.
const (
	Citizen      ApplicantKind = 1 + iota // công dân
	Organisation                          // doanh nghiệp, tổ chức
)

// Applicant is whose dossier it is (chủ hồ sơ): personal data, which lists show
// masked, and which go to no office that the dossier does not go to.
type Applicant struct {
	Kind    ApplicantKind `json:"kind"`
	Name    string        `json:"name"`
	Number  string        `json:"number,omitempty"` // CCCD, or tax code
	Address string        `json:"address,omitempty"`
	Phone   string        `json:"phone,omitempty"`
	Email   string        `json:"email,omitempty"`
	Agent   string        `json:"agent,omitempty"` // who hands it in for them (người nộp thay)
}

// Handed is one paper of the procedure as the applicant handed it in.
type Handed struct {
	Paper  Paper `json:"paper"`
	Copies int   `json:"copies"` // 0: it is missing
}

// Charge is a fee of a dossier.
type Charge struct {
	Fee     Fee       `json:"fee"`
	Paid    time.Time `json:"paid,omitzero"`
	Receipt string    `json:"receipt,omitempty"` // number of the biên lai
	Online  bool      `json:"online,omitempty"`
}

// FileRole is what a file of a dossier is.
type FileRole string

// The roles of files.
const (
	RolePaper  FileRole = "paper"  // handed in
	RoleResult FileRole = "result" // what the applicant gets
	RoleForm   FileRole = "form"   // a form of the circular as it was printed
	RoleOther  FileRole = "other"
)

// File is a file of a dossier.
type File struct {
	ID      int64        `json:"id"` // within this office
	Role    FileRole     `json:"role"`
	Paper   int          `json:"paper"` // index of the paper that it is, -1 for none
	Name    string       `json:"name"`
	Media   string       `json:"media"`
	Added   time.Time    `json:"added"`
	From    string       `json:"from"` // code of the office that added it
	Content blob.Content `json:"-"`
	Size    int64        `json:"size"`
	SHA256  string       `json:"sha256"` // hex
}

// Way is how the applicant gets the result.
type Way string

// The ways.
const (
	WayDesk   Way = "desk"
	WayPost   Way = "post"
	WayOnline Way = "online"
)

// Result is what an office decided.
type Result struct {
	Name     string     `json:"name"`
	Number   string     `json:"number,omitempty"` // of the paper
	Date     string     `json:"date,omitempty"`   // yyyy-mm-dd
	Text     string     `json:"text,omitempty"`   // what it says, such as an opinion
	Document storage.ID `json:"document,omitzero"`
}

// Task is what an office is asked to do with a dossier that is handed to it.
type Task string

// The tasks.
const (
	Decide     Task = "decide"     // giải quyết: the whole dossier, its result ends it
	Consult    Task = "consult"    // lấy ý kiến
	Coordinate Task = "coordinate" // phối hợp giải quyết
)

// TransferState is how far a hand-over is.
type TransferState string

// The states.
const (
	Sending   TransferState = "sending"   // saved here
	Delivered TransferState = "delivered" // on the other office's box
	Taken     TransferState = "taken"     // a person there signed for it
	Back      TransferState = "back"      // refused there, with a reason
	Ended     TransferState = "ended"     // called back, or it never arrived
	Given     TransferState = "given"     // its result is here
)

// Transfer is one hand-over of a dossier to one office.
type Transfer struct {
	ID       storage.ID    `json:"id"`
	Task     Task          `json:"task"`
	From     string        `json:"from"` // codes of offices
	To       string        `json:"to"`
	ToName   string        `json:"to_name"`
	FromName string        `json:"from_name"`
	Note     string        `json:"note,omitempty"`
	Deadline time.Time     `json:"deadline,omitzero"`
	State    TransferState `json:"state"`
	Incoming bool          `json:"incoming,omitempty"`
	Sent     time.Time     `json:"sent"` // handed over, by the clock of From
	By       string        `json:"by"`
	Taken    time.Time     `json:"taken,omitzero"` // signed for, by the clock of To
	TakenBy  string        `json:"taken_by,omitempty"`
	Ended    time.Time     `json:"ended,omitzero"` // result, refusal or end
	Answer   string        `json:"answer,omitempty"`
	Result   Result        `json:"result,omitzero"`
	// Outside says that the other office is not on Trạm: Document, of this office, has
	// carried the dossier to it or from it, and statuses of edXML tell how it goes on.
	// No seal stands behind what that office says.
	Outside  bool       `json:"outside,omitempty"`
	Document storage.ID `json:"document,omitzero"`
}

// Dossier is a one-stop dossier (hồ sơ một cửa) as one office has it.
type Dossier struct {
	ID   storage.ID   `json:"id"`
	Code code.Dossier `json:"code"`
	// Owner is the office that took it in: it issued the code, keeps the clock and
	// gives out the result. At every other office the dossier is a guest, whose
	// standing is that office's own part.
	Owner     string     `json:"owner"`
	OwnerName string     `json:"owner_name"`
	Guest     bool       `json:"guest,omitempty"`
	Transfer  storage.ID `json:"transfer,omitzero"` // by which the guest came

	Procedure Procedure `json:"procedure"`
	Subject   string    `json:"subject,omitempty"` // trích yếu
	Applicant Applicant `json:"applicant"`
	Channel   Channel   `json:"channel"`
	Papers    []Handed  `json:"papers"`
	Sets      int       `json:"sets"` // bộ
	Charges   []Charge  `json:"charges"`
	Way       Way       `json:"way"`
	Results   []Result  `json:"results"`
	Book      int       `json:"book,omitempty"`    // number in the year's sổ theo dõi hồ sơ
	Handler   string    `json:"handler,omitempty"` // who works on it here, as shown
	// App and Reference are the system that filed it, and its own number there.
	App       string `json:"app,omitempty"`
	Reference string `json:"reference,omitempty"`

	Standing
	Version   int        `json:"version"` // counts changes
	Changed   time.Time  `json:"changed"`
	Erased    bool       `json:"erased,omitempty"`    // personal data were given up
	Uncovered bool       `json:"uncovered,omitempty"` // the date of return rests on days off that are not decided yet
	Events    []Event    `json:"events,omitempty"`    // of Get
	Files     []File     `json:"files,omitempty"`     // of Get
	Transfers []Transfer `json:"transfers,omitempty"` // of Get
	Apology   *Apology   `json:"apology,omitempty"`   // of Get; prepared and not confirmed
}

// Actor is who acts.
type Actor struct {
	Person string // sign-in name or application, for the audit log
	Name   string // as shown in the history
	Roles  Role
	App    string // application, "" for a person
	// At is when it happened, for who tells of it afterwards; zero for now. It may not
	// be before what happened here last.
	At time.Time
	// Also is done in the transaction of the act, with the dossier as it stands then;
	// its error undoes the act. nil for nothing.
	Also func(tx *sqlite.Tx, d Dossier) error
}

// may tells whether the actor may bring an event about.
func (a Actor) may(k Kind) bool { return a.Roles&(steps[k].by|Leader) != 0 }
