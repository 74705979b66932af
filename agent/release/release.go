// Package release defines what a new version of the office's program looks like
// when it travels: a manifest that the province's software key signs, the warrant
// by which a hub's authority says which key that is, and the one file in which both
// come with the programs by stick.
//
// It promises that
//
//   - what it signs it can parse, and what it parses has exactly one encoding;
//   - hostile bytes make it neither panic nor allocate more than a small multiple of
//     the limits below;
//   - a version is a name that can stand in a path;
//   - nothing may follow an installed version but what is newer by number and by
//     serial, or a roll-back that says so and is newer by serial.
//
// It is pure: it does no I/O of its own and reads no clock. The formats are
// specified in agent/README.md with test vectors.
package release

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"tram/sync/bundle"
)

// Limits of the formats, hard: what is over them is ErrMalformed.
const (
	MaxFiles    = 32        // programs of a release
	MaxProgram  = 256 << 20 // bytes of one program
	MaxNotes    = 4 << 10   // bytes of what is new, in each language
	MaxSigned   = 32 << 10  // bytes of a signed manifest
	MaxWarrant  = 1 << 10   // bytes of a signed warrant
	maxPlatform = 16        // bytes of the name of a system or a processor
)

// Version of both maps that this package writes, and the only one that it reads.
const formatVersion = bundle.Version

// Purposes of the signatures.
const (
	aadManifest = "tram-release-1"
	aadWarrant  = "tram-software-key-1"
)

var (
	// ErrMalformed says that bytes are not what they should be.
	ErrMalformed = errors.New("malformed release")
	// ErrSignature says that a signature is not that of the key that counts.
	ErrSignature = errors.New("release is not signed by the province")
)

// Channel says for whom a release is.
type Channel string

// Channels. A release for trial goes to the offices that are named, never to all.
const (
	Stable Channel = "stable"
	Trial  Channel = "trial"
)

// File is the program of one platform.
type File struct {
	OS, Arch string // as Go names them
	Size     int64  // bytes
	SHA256   [32]byte
}

// Manifest says what a release is.
type Manifest struct {
	Version Version
	Serial  uint64 // of the province's releases, higher with each
	Channel Channel
	// After is the least version that it may follow; zero: any.
	After Version
	// RollBack says that it is to take the place of a higher version.
	RollBack bool
	NotesVI  string // what is new
	NotesEN  string
	Created  time.Time // whole seconds
	Files    []File    // in the order of OS and Arch, each once
}

// File finds the program of a platform.
func (m Manifest) File(os, arch string) (File, bool) {
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.OS == os && f.Arch == arch })
	if i < 0 {
		return File{}, false
	}
	return m.Files[i], true
}

type manifestWire struct {
	Format   uint64     `cbor:"1,keyasint"`
	Version  string     `cbor:"2,keyasint"`
	Serial   uint64     `cbor:"3,keyasint"`
	Channel  string     `cbor:"4,keyasint"`
	After    string     `cbor:"5,keyasint,omitempty"`
	RollBack bool       `cbor:"6,keyasint,omitempty"`
	NotesVI  string     `cbor:"7,keyasint"`
	NotesEN  string     `cbor:"8,keyasint"`
	Created  int64      `cbor:"9,keyasint"`
	Files    []fileWire `cbor:"10,keyasint"`
}

type fileWire struct {
	_      struct{} `cbor:",toarray"`
	OS     string
	Arch   string
	Size   int64
	SHA256 []byte
}

var (
	manifestRequired = []uint64{1, 2, 3, 4, 7, 8, 9, 10}
	manifestOptional = []uint64{5, 6}
)

// Sign signs a manifest with the province's software key.
func Sign(m Manifest, key crypto.Signer) ([]byte, error) {
	m.Created = m.Created.UTC().Truncate(time.Second)
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("sign release: %w", err)
	}
	w := manifestWire{
		Format: formatVersion, Version: m.Version.String(), Serial: m.Serial, Channel: string(m.Channel), RollBack: m.RollBack,
		NotesVI: m.NotesVI, NotesEN: m.NotesEN, Created: m.Created.Unix(), Files: make([]fileWire, len(m.Files)),
	}
	if m.After != (Version{}) {
		w.After = m.After.String()
	}
	for i, f := range m.Files {
		w.Files[i] = fileWire{OS: f.OS, Arch: f.Arch, Size: f.Size, SHA256: f.SHA256[:]}
	}
	payload, err := bundle.EncodeMap(w)
	if err != nil {
		return nil, fmt.Errorf("sign release: %w", err)
	}
	raw, err := bundle.SignCOSE(aadManifest, payload, key)
	if err != nil {
		return nil, fmt.Errorf("sign release: %w", err)
	}
	return raw, nil
}

// Open reads a signed manifest, whose signature must be that of the key.
func Open(raw []byte, key crypto.PublicKey) (Manifest, error) {
	if len(raw) > MaxSigned {
		return Manifest{}, fmt.Errorf("open release: %w: more than %d bytes", ErrMalformed, MaxSigned)
	}
	payload, err := bundle.VerifyCOSE(aadManifest, raw, key)
	if err != nil {
		return Manifest{}, fmt.Errorf("open release: %w", signature(err))
	}
	return parseManifest(payload)
}

// Peek reads a signed manifest without judging its signature. What it says is not
// to be believed.
func Peek(raw []byte) (Manifest, error) {
	if len(raw) > MaxSigned {
		return Manifest{}, fmt.Errorf("read release: %w: more than %d bytes", ErrMalformed, MaxSigned)
	}
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return Manifest{}, fmt.Errorf("read release: %w", signature(err))
	}
	return parseManifest(payload)
}

func signature(err error) error {
	if errors.Is(err, bundle.ErrMalformed) || errors.Is(err, bundle.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return fmt.Errorf("%w: %w", ErrSignature, err)
}

func parseManifest(payload []byte) (Manifest, error) {
	var w manifestWire
	if err := bundle.DecodeMap("release", payload, manifestRequired, manifestOptional, &w); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := Manifest{
		Serial: w.Serial, Channel: Channel(w.Channel), RollBack: w.RollBack, NotesVI: w.NotesVI, NotesEN: w.NotesEN,
		Created: time.Unix(w.Created, 0).UTC(),
	}
	var err error
	if m.Version, err = ParseVersion(w.Version); err != nil {
		return Manifest{}, err
	}
	if w.After != "" {
		if m.After, err = ParseVersion(w.After); err != nil {
			return Manifest{}, err
		}
	}
	if len(w.Files) > MaxFiles {
		return Manifest{}, malformed("%d files", len(w.Files))
	}
	for _, f := range w.Files {
		if len(f.SHA256) != sha256.Size {
			return Manifest{}, malformed("a file without SHA-256")
		}
		m.Files = append(m.Files, File{OS: f.OS, Arch: f.Arch, Size: f.Size, SHA256: [32]byte(f.SHA256)})
	}
	return m, m.validate()
}

func malformed(why string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(why, args...))
}

func (m Manifest) validate() error {
	switch {
	case m.Version == Version{}:
		return malformed("no version")
	case m.Serial == 0:
		return malformed("no serial")
	case m.Channel != Stable && m.Channel != Trial:
		return malformed("channel %.20q", m.Channel)
	case len(m.NotesVI) > MaxNotes || len(m.NotesEN) > MaxNotes || !utf8.ValidString(m.NotesVI) || !utf8.ValidString(m.NotesEN):
		return malformed("notes are too long or no UTF-8")
	case m.Created.Unix() <= 0 || m.Created.Year() > 9999:
		return malformed("time of making %v", m.Created)
	case len(m.Files) == 0 || len(m.Files) > MaxFiles:
		return malformed("%d files", len(m.Files))
	}
	for i, f := range m.Files {
		switch {
		case !platformWord(f.OS) || !platformWord(f.Arch):
			return malformed("platform %.20q/%.20q", f.OS, f.Arch)
		case f.Size <= 0 || f.Size > MaxProgram:
			return malformed("program of %d bytes", f.Size)
		case i > 0 && !before(m.Files[i-1], f):
			return malformed("files are not in order")
		}
	}
	return nil
}

func before(a, b File) bool { return a.OS < b.OS || a.OS == b.OS && a.Arch < b.Arch }

// platformWord tells whether s is the name of a system or a processor.
func platformWord(s string) bool {
	if s == "" || len(s) > maxPlatform {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
