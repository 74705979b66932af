package appkey

import (
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Scope is a right of an application.
type Scope string

// Scopes.
const (
	DocumentsRead   Scope = "documents.read"   // lists, states, tracks
	ContentRead     Scope = "content.read"     // attachments, edXML, signed file
	DocumentsSend   Scope = "documents.send"   // send, import, upload
	DocumentsAnswer Scope = "documents.answer" // accept, return, report
	DocumentsRecall Scope = "documents.recall" // recall, update and replace what was sent
	RegistryRead    Scope = "registry.read"    // directory of offices
	RegistersRead   Scope = "registers.read"   // sổ đến, sổ đi
	EventsRead      Scope = "events.read"      // the feed
	DossiersFile    Scope = "dossiers.file"    // hand dossiers in, supplement, pay, ask for them back
	DossiersRead    Scope = "dossiers.read"    // dossiers, procedures and their events
	DossiersAll     Scope = "dossiers.all"     // of dossiers those of others as well
	DossiersReport  Scope = "dossiers.report"  // say how far the office is with one
	DossiersLookup  Scope = "dossiers.lookup"  // public status by code and word
)

// Scopes lists them.
var Scopes = []Scope{
	DocumentsRead, ContentRead, DocumentsSend, DocumentsAnswer, DocumentsRecall, RegistryRead, RegistersRead, EventsRead,
	DossiersFile, DossiersRead, DossiersAll, DossiersReport, DossiersLookup,
}

// Kind is a kind of system; it decides which scopes an application has when
// none are named.
type Kind string

// Kinds.
const (
	Document      Kind = "document"      // document management (quản lý văn bản)
	OneStop       Kind = "onestop"       // one-stop (một cửa)
	Portal        Kind = "portal"        // passes on what citizens file, and asks how that stands
	PublicService Kind = "publicservice" // online public services (dịch vụ công)
)

// Kinds lists them.
var Kinds = []Kind{Document, OneStop, Portal, PublicService}

// Presets are the scopes of each kind.
var Presets = map[Kind][]Scope{
	Document: {DocumentsRead, ContentRead, DocumentsSend, DocumentsAnswer, DocumentsRecall, RegistryRead, RegistersRead, EventsRead, DossiersRead, DossiersAll},
	OneStop: {DocumentsRead, ContentRead, DocumentsSend, DocumentsAnswer, DocumentsRecall, RegistryRead, EventsRead, DossiersFile, DossiersRead, DossiersAll,
		DossiersReport, DossiersLookup},
	Portal:        {DocumentsRead, DocumentsSend, EventsRead, DossiersLookup},
	PublicService: {DocumentsRead, ContentRead, DocumentsSend, DocumentsRecall, RegistryRead, EventsRead, DossiersFile, DossiersRead, DossiersLookup},
}

// seesOwn tells which kinds see only what they sent and what answers that,
// whatever else is asked for.
func (k Kind) seesOwn() bool { return k == Portal || k == PublicService }

// readScopes checks scopes that a person named.
func readScopes(kind Kind, named []Scope) ([]Scope, error) {
	if !slices.Contains(Kinds, kind) {
		return nil, problem.New(problem.Usage, "app.kind", "kind", i18n.Args{"kind": string(kind), "kinds": join(Kinds)})
	}
	if len(named) == 0 {
		named = Presets[kind]
	}
	var scopes []Scope
	for _, s := range Scopes { // in one order
		if slices.Contains(named, s) {
			scopes = append(scopes, s)
		}
	}
	for _, s := range named {
		if !slices.Contains(Scopes, s) {
			return nil, problem.New(problem.Usage, "app.scope-unknown", "scope", i18n.Args{"scope": string(s), "scopes": join(Scopes)})
		}
	}
	return scopes, nil
}

func join[T ~string](list []T) string {
	var words []string
	for _, w := range list {
		words = append(words, string(w))
	}
	return strings.Join(words, ", ")
}
