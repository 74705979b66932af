package config

import (
	"bytes"
	"slices"
	"time"
)

// OfficeFile is the name of the office program's settings file in its data
// folder.
const OfficeFile = "tram.toml"

// NumberedByType is the value of office.numbering that gives each type of
// administrative documents a series of its own.
const NumberedByType = "by-type"

// officeEnv starts the names of environment variables of the office program.
const officeEnv = "TRAM_"

// Office is the settings of tram. Make one with DefaultOffice or LoadOffice.
type Office struct {
	UI        UI
	Language  string // "vi" or "en": pages and messages when the reader has no choice of their own
	Log       Log
	Office    Letterhead
	Limits    Limits
	Documents Documents
	Storage   Storage
	MQTT      OfficeMQTT
	Heartbeat Heartbeat
	Metered   Metered
	Line      Line
	Trust     Trust
	Stamp     Stamp
	USB       USB
	Dossiers  Dossiers
	Metrics   Metrics
	Support   Support
	Backup    Backup

	origins map[string]Origin
}

// UI is where the clerk's pages are served.
type UI struct {
	Address   string // host:port of the pages; beyond loopback they are served over TLS alone
	Documents string // host:port that serves attachments, an origin of its own; "" takes the port after Address
	// Names are further host names and IP addresses under which browsers come,
	// for the certificate.
	Names []string
	// Certificate and Key are PEM files that somebody else looks after; both ""
	// for the certificate that package lan keeps.
	Certificate, Key string
	// Signing is where the signing agent on the clerk's own PC listens.
	Signing string
	// Scans is the folder that the scanner writes into, "" for none.
	Scans string
	// Support is whom people call for help: a name and a telephone number.
	Support string
}

// USB is where the pages find sticks.
type USB struct {
	Folder string // one more folder that packages are exchanged through; "" for none
}

// Log is how the program writes its log.
type Log struct {
	Level  string // "debug", "info", "warn" or "error"
	Format string // "text" or "json"
}

// Letterhead is what the office puts on each document it writes, offered as
// the first value of the form's fields.
type Letterhead struct {
	Abbreviation string // short form of the office's name in notations, such as UBND
	Signer       string // name of the usual signer
	Position     string // position of the usual signer
	Place        string // place of issue in the date line
	// Numbering is "one" for one series of numbers of all administrative
	// documents or "by-type" for one of each type; a change counts from the next
	// year.
	Numbering string
	Bodies    []string // abbreviations of councils and boards with numbers of their own
}

// Limits bounds one document. A document over a limit is refused before
// anything is stored.
type Limits struct {
	File  Size // largest single attachment
	Files int  // most attachments of one document
	Total Size // all attachments of one document together
}

// Documents is how long documents are looked after.
type Documents struct {
	Lifetime time.Duration // how long an outgoing document is offered before the sender is told that it did not arrive
}

// Storage is how the disk is used.
type Storage struct {
	Reserve Size // free space that is never used; below it new documents are refused
}

// Trust is whom signatures in attachments are trusted under.
type Trust struct {
	Anchors string // folder of authorities; "" is trust.AnchorsDir below the data folder
	Lists   string // folder of revocation lists; "" is trust.ListsDir below the data folder
	OCSP    bool   // whether to ask over the network and to fetch lists, on lines that cost nothing
}

// OfficeMQTT is how the office reaches its hub.
type OfficeMQTT struct {
	Keepalive time.Duration // longest silence on the line
	Servers   []string      // host:port list that replaces the one from enrolment; empty means that one
	// KeyExchange is "economical" or "post-quantum", see identity.KeyExchange.
	KeyExchange string
}

// Heartbeat is how often at least the hub is told how the office stands.
type Heartbeat struct {
	Every   time.Duration // over lines that cost nothing
	Metered time.Duration // over metered ones
}

// Support is what those who help from afar may have.
type Support struct {
	Remote bool // the hub gets the support archive without being asked at the box
}

// Backup is where and how often the office is saved by itself.
type Backup struct {
	Place  string        // a folder, or s3://server/bucket/folder; "" for none
	Every  time.Duration // how old the last one in a place may get
	Sticks bool          // whether sticks that hold backups of this office get another one when they are plugged in
}

// Dossiers is how the office numbers one-stop dossiers and how long it keeps them.
type Dossiers struct {
	Agency string // agency code in the codes that it gives, in the old grammar or the new one; "" is the code of the office
	// Retention is after how many days the personal data of ended dossiers are given
	// up; 0: never.
	Retention int
}

// DefaultOffice returns the settings of an office where nobody set anything.
func DefaultOffice() *Office {
	return &Office{
		UI:        UI{Address: "127.0.0.1:8701", Signing: "wss://127.0.0.1:8987"},
		Language:  "vi",
		Log:       Log{Level: "info", Format: "text"},
		Office:    Letterhead{Abbreviation: "UBND", Numbering: "one"},
		Limits:    Limits{File: 200 * MB, Files: 100, Total: 1000 * MB},
		Documents: Documents{Lifetime: 720 * time.Hour},
		Storage:   Storage{Reserve: 200 * MB},
		MQTT:      OfficeMQTT{Keepalive: 4 * time.Minute, KeyExchange: "economical"},
		Heartbeat: Heartbeat{Every: 5 * time.Minute, Metered: time.Hour},
		Metered:   defaultMetered(),
		Line:      defaultLine(),
		Trust:     Trust{OCSP: true},
		Dossiers:  Dossiers{},
		Backup:    Backup{Every: 24 * time.Hour, Sticks: true},
	}
}

func (o *Office) fields() []field {
	return slices.Concat([]field{
		address("ui.address", &o.UI.Address),
		optionalAddress("ui.documents", &o.UI.Documents),
		hostNames("ui.names", &o.UI.Names),
		optionalPath("ui.certificate", &o.UI.Certificate),
		optionalPath("ui.key", &o.UI.Key),
		signingAgent("ui.signing", &o.UI.Signing),
		text("ui.support", &o.UI.Support, maxName),
		folder("ui.scans", &o.UI.Scans),
		choice("language", &o.Language, "vi", "en"),
		choice("log.level", &o.Log.Level, "debug", "info", "warn", "error"),
		choice("log.format", &o.Log.Format, "text", "json"),
		text("office.abbreviation", &o.Office.Abbreviation, maxNotation),
		text("office.signer", &o.Office.Signer, maxName),
		text("office.position", &o.Office.Position, maxName),
		text("office.place", &o.Office.Place, maxName),
		choice("office.numbering", &o.Office.Numbering, "one", NumberedByType),
		abbreviations("office.bodies", &o.Office.Bodies),
		size("limits.file", &o.Limits.File, 1*kB, maxObject),
		number("limits.files", &o.Limits.Files, 1, maxFiles),
		size("limits.total", &o.Limits.Total, 1*kB, 100*GB),
		duration("documents.lifetime", &o.Documents.Lifetime, time.Hour, maxLifetime),
		size("storage.reserve", &o.Storage.Reserve, 10*MB, 1000*GB),
		duration("mqtt.keepalive", &o.MQTT.Keepalive, minKeepalive, maxKeepalive),
		addresses("mqtt.servers", &o.MQTT.Servers),
		choice("mqtt.keyexchange", &o.MQTT.KeyExchange, "economical", "post-quantum"),
		duration("heartbeat.every", &o.Heartbeat.Every, minBeat, maxBeat),
		duration("heartbeat.metered", &o.Heartbeat.Metered, minBeat, maxBeat),
		folder("trust.anchors", &o.Trust.Anchors),
		folder("trust.lists", &o.Trust.Lists),
		toggle("trust.ocsp", &o.Trust.OCSP),
		folder("usb.folder", &o.USB.Folder),
		toggle("support.remote", &o.Support.Remote),
		place("backup.place", &o.Backup.Place),
		duration("backup.every", &o.Backup.Every, time.Hour, 30*24*time.Hour),
		toggle("backup.sticks", &o.Backup.Sticks),
		officeCode("dossiers.agency", &o.Dossiers.Agency),
		number("dossiers.retention", &o.Dossiers.Retention, 0, 36_500),
	}, o.Metered.fields(), o.Line.fields(), o.Stamp.fields(), o.Metrics.fields())
}

// Validate checks every value and returns all faults as a problem.List, or nil.
func (o *Office) Validate() error {
	faults := check(o.fields(), o.origins)
	if o.Limits.File > o.Limits.Total {
		faults = append(faults, badValue("limits.total", o.Limits.Total.String(), "≥ limits.file ("+o.Limits.File.String()+")", o.origins))
	}
	if o.UI.Address == o.UI.Documents && !anyPort(o.UI.Address) {
		faults = append(faults, badValue("ui.documents", o.UI.Documents, "≠ ui.address", o.origins))
	}
	if (o.UI.Certificate == "") != (o.UI.Key == "") {
		faults = append(faults, badValue("ui.key", o.UI.Key, "ui.certificate + ui.key", o.origins))
	}
	faults = append(faults, o.Line.faults(o.origins)...)
	faults = append(faults, o.Metrics.faults(o.origins)...)
	return append(faults, o.Stamp.faults(o.origins)...).Err()
}

// Values lists every effective setting with where it came from, in a fixed
// order.
func (o *Office) Values() []Value { return values(o.fields(), o.origins) }

// Save writes the settings that differ from their defaults to the file in dir,
// durably. Comments in an older file are lost.
func (o *Office) Save(dir string) error {
	return save(dir, OfficeFile, o.fields(), DefaultOffice().fields())
}

// LoadOffice reads the settings of the office whose data folder is dir. A
// missing file is no fault. The error is a problem.List with every fault
// found.
func LoadOffice(dir string, flags Flags) (*Office, error) {
	o := DefaultOffice()
	origins, err := load(source{dir: dir, file: OfficeFile, env: officeEnv, ignoreEnv: []string{hubEnv}, flags: flags}, o.fields())
	if err != nil {
		return nil, err
	}
	o.origins = origins
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return o, nil
}

// ExampleOffice returns a settings file with every key at its default, each
// commented out, to start from.
func ExampleOffice() []byte {
	var b bytes.Buffer
	example(&b, DefaultOffice().fields())
	return b.Bytes()
}
