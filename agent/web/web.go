package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"tram/agent/books"
	"tram/agent/dossier"
	"tram/agent/dossier/forms"
	"tram/agent/health"
	"tram/agent/httpd"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/vgca"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/storage"
)

// Office is what the pages ask of the office. *office.Office is one.
type Office interface {
	Records
	Lists
	Desk
	Signatures
	Exchange
}

// Exchange is what goes to and comes from other makers' software, as edXML.
type Exchange interface {
	Import(ctx context.Context, h office.Handover) (office.Imported, error)
	ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error
}

// Lists sorts and filters documents for pages of lists.
type Lists interface {
	Listing(ctx context.Context, l office.Listing) (office.ListPage, error)
}

// Records reads documents.
type Records interface {
	// Get returns a document with its events and seal.
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	List(ctx context.Context, q office.Query) ([]office.Document, int, error)
	Work(ctx context.Context) (office.Work, error)
	Summary(ctx context.Context) (office.Summary, error)
	// Open gives an attachment's content; the caller closes it.
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	// Export writes the document as one .asice file.
	Export(ctx context.Context, id storage.ID, w io.Writer) error
	// Revision grows with every change of any document.
	Revision() uint64
}

// Desk acts on documents. Errors that a person can mend are *problem.Problem
// or problem.List.
type Desk interface {
	Send(ctx context.Context, d office.Draft) (office.Document, error)
	// AcceptKnowing accepts; k says why in spite of a verdict that is not good.
	AcceptKnowing(ctx context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error)
	Return(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Recalls
	// Progress is the live state of a transfer, false when none is under way.
	Progress(id storage.ID) (office.Progress, bool)
}

// Directory finds recipient offices.
type Directory interface {
	// Lookup returns an error when code is not that of an office.
	Lookup(ctx context.Context, code string) (office.Party, error)
	// Search matches names and codes without regard to marks and case.
	Search(ctx context.Context, query string, limit int) ([]office.Party, error)
}

// Accounts knows who may sign in. *account.Store is one.
type Accounts interface {
	page.Accounts
	Manager
}

// Manager is what an IT officer does with accounts; by is who does it.
type Manager interface {
	Users(ctx context.Context) ([]account.User, error)
	CreateUser(ctx context.Context, n account.NewUser) (account.User, error)
	// SetPassword sets a temporary password and unlocks the account.
	SetPassword(ctx context.Context, by, name, password string) error
	SetDisabled(ctx context.Context, by, name string, disabled bool) error
	Unlock(ctx context.Context, by, name string) error
}

// Documents makes addresses of the document origin. *httpd.Documents is one.
type Documents interface {
	Origin(r *http.Request) string
	URL(r *http.Request, session string, id storage.ID, index int, save bool) string
	// Beginning is the address of the first length bytes of an attachment.
	Beginning(r *http.Request, session string, id storage.ID, index int, length int64) string
	Look(ctx context.Context, id storage.ID, index int) (httpd.Look, error)
}

// Link is the state of the line to the hub at one moment.
type Link struct {
	Up    bool
	Since time.Time  // of this state; zero when there never was a line
	Rate  float64    // bytes per second, smoothed; 0 when unknown
	Line  line.State // what may go over it
	// Halt says why nothing is sent or received, line or no line; nil when
	// nothing forbids it.
	Halt *health.Condition
}

// Queue changes the order of what waits.
type Queue interface {
	// First has a waiting document sent before others, whatever the rules of
	// the line say. Asking again changes nothing.
	First(ctx context.Context, id storage.ID) error
	// IsFirst tells whether somebody asked for that.
	IsFirst(id storage.ID) bool
}

// Config is what the pages show and bound.
type Config struct {
	Unit    office.Party // this office
	Version string
	// UploadDir is a folder of the pages' own, where files wait between browser
	// and Office. New empties it. Required.
	UploadDir string
	// MaxFile bounds one file, MaxUpload one form, bytes; MaxFiles counts.
	// Zero takes the default. Hard: the form comes back with a message.
	MaxFile, MaxUpload int64
	MaxFiles           int
	// SignAgent is the WebSocket address of the signing agent on the clerk's own
	// PC; "" is vgca.DefaultAgent.
	SignAgent string
	// Support is whom people call for help, "" when nobody is named.
	Support string
	// Secure says that browsers come over TLS, for the cookie.
	Secure bool
}

// Defaults of Config.
const (
	DefaultMaxFile   = 2 << 30
	DefaultMaxUpload = 2<<30 + 64<<20
	DefaultMaxFiles  = 200
)

// Options of New. All but Certificate, LookUp, Search, Arriving, Reader, Logger and Now are required.
type Options struct {
	Office    Office
	Papers    Papers
	Directory Directory
	Accounts  Accounts
	Link      func() Link
	Queue     Queue
	Documents Documents
	Handling  Handling
	Composing Composing
	Books     *books.Books
	Dossiers  *dossier.Store
	// FormHeading is what stands above the forms of one-stop dossiers.
	FormHeading func() forms.Heading
	Admin       Admin
	Sticks      Sticks
	// Certificate is that of the pages, nil while they stay on this machine.
	Certificate Certificate
	LookUp      LookUp            // nil: nobody looks dossiers up
	Search      Finder            // nil: nothing is searched, and nothing kept under a name
	Arriving    func() []Arriving // what is coming in; nil for nothing
	Reader      search.Reader     // of files that are added to a draft; nil: they are not read
	Config      Config
	Logger      *slog.Logger
	Now         func() time.Time
}

// site is the running set of pages.
type site struct {
	*page.Site
	Options
	turns   turns
	signing *vgca.Desk
	lookUps *dossier.Tries // by address
	admin   adminState
	looks   looked
	usb     stickState
	oneRead chan struct{} // holds one while a file is read
}

// New makes the pages. The handler expects the guards of httpd in front of it.
func New(o Options) (http.Handler, error) {
	s, err := newSite(o)
	if err != nil {
		return nil, fmt.Errorf("make pages: %w", err)
	}
	return s.routes(), nil
}

func newSite(o Options) (*site, error) {
	if o.Office == nil || o.Papers == nil || o.Directory == nil || o.Accounts == nil || o.Link == nil || o.Queue == nil || o.Documents == nil || o.Composing == nil || o.Books == nil || o.Dossiers == nil || o.FormHeading == nil || o.Handling == nil || o.Admin.missing() || o.Sticks.missing() {
		return nil, errors.New("an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &o.Config
	if c.SignAgent == "" {
		c.SignAgent = vgca.DefaultAgent
	}
	if c.MaxFile == 0 {
		c.MaxFile = DefaultMaxFile
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = DefaultMaxUpload
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = DefaultMaxFiles
	}
	if err := emptyFolder(c.UploadDir); err != nil {
		return nil, err
	}
	if o.Sticks.Limit == 0 {
		o.Sticks.Limit = c.MaxUpload
	}
	if err := os.RemoveAll(o.Sticks.Dir); err != nil {
		return nil, fmt.Errorf("empty folder for packages: %w", err)
	}
	s := &site{Options: o, oneRead: make(chan struct{}, 1), lookUps: dossier.NewTries(MaxLookUps, LookUpsWithin)}
	var err error
	if s.Site, err = page.New(page.Options{
		Files: siteFiles, Accounts: o.Accounts, Unit: page.Unit{Code: c.Unit.Code, Name: c.Unit.Name}, Version: c.Version,
		Home: "/viec-can-lam", HomeText: "web.error.home", Lost: "web.lost", Frame: s.frame, Frames: s.origin, Back: formPage,
		Foot: []MenuItem{{Href: lookUpPath, Text: "web.lookup.title"}, {Href: helpPath, Text: "help.title"}}, Help: helpPath + "#phim",
		Secure: c.Secure, Logger: o.Logger, Now: o.Now,
	}); err != nil {
		return nil, err
	}
	s.signing = vgca.NewDesk(vgca.Options{Dir: c.UploadDir, Pattern: uploadPattern, MaxFile: min(c.MaxFile, maxSignFile), Logger: o.Logger, Now: o.Now})
	return s, nil
}

// emptyFolder removes what a crash left of earlier uploads.
func emptyFolder(dir string) error {
	if dir == "" {
		return errors.New("no folder for uploads")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for uploads: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, uploadPattern))
	if err != nil {
		return fmt.Errorf("list folder for uploads: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("empty folder for uploads: %w", err)
		}
	}
	return nil
}
