package house

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// layers from the bottom up. A package imports its own layer and those below.
var layers = []string{"storage", "sync", "agent", "cmd"}

func layerOf(dir string) int {
	return slices.IndexFunc(layers, func(layer string) bool { return within(dir, layer) })
}

func TestImportsRunDownhill(t *testing.T) {
	for _, f := range source(t) {
		from := layerOf(f.dir)
		for _, imported := range f.imports {
			dir, own := ours(imported)
			if own && layerOf(dir) > from {
				t.Errorf("%s imports %s: imports run cmd → agent → sync → storage only, so that a lower layer can be understood, tested and replaced without the upper ones", f.name, imported)
			}
		}
	}
}

// narrow are packages that may import less than their layer allows.
var narrow = []struct {
	dir     string   // holds for this folder and those below
	but     []string // folders of ours that it may import all the same
	foreign []string // standard packages that it must not import
	reason  string
}{
	{"sync", []string{"sync", "storage", "storage/fsx"}, nil,
		"sync uses the words of storage and its one way to write a file, not its implementations, so that the engine runs over any store"},
	{"storage", []string{"storage"}, []string{"net", "net/http"},
		"storage knows nothing of links or documents"},
	{"sync/schedule", nil, []string{"os", "net", "net/http", "io/fs", "database/sql", "log/slog", "math/rand"},
		"what goes next is decided from what is known, without clock, chance or I/O"},
	{"sync/engine", []string{"sync/schedule", "sync/wire", "storage"}, []string{"os", "net", "net/http", "io/fs", "database/sql", "log/slog", "math/rand"},
		"the engine takes events and returns actions; disk, network, clock and chance live outside, so that chaos tests repeat exactly"},
	{"sync/wire", nil, []string{"os", "net", "net/http", "database/sql"},
		"the codec of frames is pure, so that it can be fuzzed and specified"},
	{"sync/bundle", []string{"storage"}, []string{"os", "net", "net/http", "database/sql"},
		"the bundle is pure over keys and readers, so that others can check it from its specification"},
	{"agent/edxml", []string{"agent/problem", "agent/i18n"}, []string{"os", "net", "net/http", "database/sql"},
		"the codec of the national message is pure"},
	{"agent/dossier/code", []string{"agent/edxml", "agent/problem", "agent/i18n"}, []string{"os", "net", "net/http", "database/sql", "log/slog"},
		"what a code or status means follows from the text alone"},
	{"agent/dossier/dongbo", []string{"agent/dossier/code", "agent/edxml", "agent/problem", "agent/i18n", "storage", "storage/fsx"}, []string{"net", "net/http", "database/sql", "log/slog"},
		"the payload is the same whoever brings it out; lines and stores are handed in"},
	{"agent/seal", []string{"agent/problem", "agent/i18n", "agent/tsa"}, []string{"os", "net", "net/http", "database/sql"},
		"sealing is pure over keys, so that a token or another key store fits in"},
	{"agent/sealkey/tokenwire", nil, []string{"os", "net", "net/http", "database/sql"},
		"the codec between tram and its token helper is pure, so that it can be fuzzed and specified"},
	{"agent/docsign", []string{"agent/i18n"}, []string{"os", "net", "net/http", "database/sql", "log/slog"},
		"a verdict follows from the file, the anchors and the revocation data handed in, so that it can be repeated from its evidence"},
	{"agent/tsa", nil, []string{"os", "database/sql"},
		"time stamps are checked without a file or a store, and without the network but for tsahttp"},
	{"agent/problem", []string{"agent/i18n"}, []string{"os", "net", "net/http"},
		"every layer of the agent uses problems; they must not pull anything in"},
	{"agent/i18n", nil, []string{"os", "net", "net/http"},
		"every layer of the agent uses words; they must not pull anything in"},
	{"sync/link", nil, []string{"database/sql", "net/http", "math/rand"},
		"links are the operating system's; what they mean for documents is decided above"},
	{"agent/typeset", nil, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"what stands on a page follows from what it was handed, so that the same page can be had again"},
	{"agent/leaflet", []string{"agent/i18n", "agent/typeset"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"the page follows from the release, so that a stick can be made again to the byte"},
	{"agent/register", []string{"agent/i18n", "agent/problem", "agent/typeset"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"a register's sheets follow from its lines, so that a printed page can be had again"},
	{"agent/dossier/forms", []string{"agent/dossier", "agent/clock", "agent/i18n", "agent/problem", "agent/register", "agent/typeset", "agent/workdays", "storage"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"a form follows from the dossier, so that it can be had again to the byte"},
	{"agent/health/beat", []string{"agent/health", "agent/i18n"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand", "math/rand/v2"},
		"what a heartbeat says and when it goes follow from what is handed in, so that both can be fuzzed and specified"},
	{"agent/hours", nil, []string{"os", "net", "net/http"}, "judging a time is pure"},
	{"agent/docfields", []string{"agent/edxml", "agent/fold", "agent/problem", "agent/i18n"}, []string{"os", "net", "net/http", "database/sql"},
		"what a document says of itself follows from its text alone"},
	{"agent/workdays", []string{"agent/clock", "agent/hours", "agent/i18n", "agent/problem"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"a due time follows from rule, times and calendar, so that it can be had again"},
	{"agent/hub/incident", []string{"agent/clock", "agent/hours", "agent/i18n", "agent/problem", "agent/workdays"}, []string{"os", "net", "net/http", "database/sql", "log/slog", "math/rand"},
		"what people are told follows from facts and time, so that a night of outages can be played again"},
	{"agent/fold", nil, []string{"os", "net", "net/http"}, "folding text is pure"},
}

func TestNarrowPackagesStayNarrow(t *testing.T) {
	for _, f := range code(t) {
		for _, rule := range narrow {
			if !within(f.dir, rule.dir) {
				continue
			}
			for _, imported := range f.imports {
				dir, own := ours(imported)
				if own && !allowedFrom(f.dir, dir, rule.dir, rule.but) {
					t.Errorf("%s imports %s: %s", f.name, imported, rule.reason)
				}
				if slices.Contains(rule.foreign, imported) {
					t.Errorf("%s imports %q: %s", f.name, imported, rule.reason)
				}
			}
		}
	}
}

// allowedFrom reports whether a narrow package may import dir. The bare word
// "storage" means its root package alone, except within storage.
func allowedFrom(from, dir, rule string, but []string) bool {
	if within(dir, rule) {
		return true
	}
	return slices.ContainsFunc(but, func(allowed string) bool {
		if allowed == "storage" && !within(from, "storage") {
			return dir == "storage"
		}
		return within(dir, allowed)
	})
}

// owners names the packages that may import a heavy library, so that one
// package can replace it. Tests are free, because they check with the library
// what we do without it.
var owners = []struct {
	library string
	dirs    []string // none: tests only
	reason  string
}{
	{"github.com/eclipse/paho.mqtt.golang", []string{"sync/mqtt"}, "its tokens and stores promise what they do not keep; one package knows how"},
	{"github.com/mochi-mqtt/server", []string{"sync/broker"}, "the embedded broker is a pipe and can be another one"},
	{"modernc.org/sqlite", []string{"storage/sqlite"}, "pragmas, transactions and error codes are right in one place"},
	{"github.com/spf13/viper", []string{"agent/config"}, "it is global, untyped and not safe for concurrent use; settings leave it as structs"},
	{"github.com/kardianos/service", []string{"agent/service"}, "its systemd form is not used; one package knows which parts are"},
	{"github.com/coreos/go-systemd", []string{"agent/service"}, "readiness and watchdog are told in one place"},
	{"filippo.io/age", []string{"sync/bundle", "agent/identity", "agent/enroll", "agent/hub/ca", "agent/hub/backup", "agent/backup", "agent/hub/registry", "cmd/tram-lab"},
		"bundle encrypts; identity holds the office's key and enroll makes it; ca encrypts its backup, and both packages backup what lies beside; registry checks the recipient on a card; the lab makes an office without a hub"},
	{"github.com/veraison/go-cose", []string{"sync/bundle"}, "signatures with their external data are made in one place"},
	{"github.com/klauspost/compress", []string{"sync/bundle", "agent/backup", "cmd/internal/linklab"},
		"memory bounds of the codec are set in one place, those of whole databases in backup; the lab computes with it how small content can be"},
	{"github.com/aws", []string{"agent/backup/s3"}, "requests to a store over the network are made in one place, and the SDK's clients are left out"},
	{"github.com/smallstep/pkcs7", []string{"agent/seal"}, "the seal's attributes are right in one place"},
	{"software.sslmate.com/src/go-pkcs12", []string{"agent/sealkey"}, "where seal keys come from is known in one place"},
	{"github.com/miekg/pkcs11", []string{"cmd/tram-token"}, "cgo and makers' libraries stay in a process of their own"},
	{"github.com/russellhaering/goxmldsig", nil, "made for SAML, it checks too little of other signatures; tests hold ours against it"},
	{"github.com/beevik/etree", nil, "the tree of goxmldsig, for tests"},
	{"github.com/signintech/gopdf", []string{"cmd/internal/sample"}, "what the office prints is set and written by typeset; sample letters of the lab come from another maker"},
	{"golang.org/x/time", []string{"agent/api/appkey"}, "how often an application may call is decided in one place"},
	{"github.com/pb33f", nil, "a validator of OpenAPI is for tests"},
	{"github.com/gofrs/flock", []string{"storage/keystore"}, "who owns a data folder is decided in one place"},
	{"github.com/spf13/cobra", []string{"cmd"}, "commands are the outermost layer"},
	{"github.com/spf13/pflag", []string{"cmd"}, "flags are the outermost layer"},
	{"github.com/mattn/go-isatty", []string{"cmd/internal/cli"}, "whether somebody watches is decided in one place"},
	{"golang.org/x/term", []string{"cmd/internal/cli"}, "questions are asked in one place"},
	{"github.com/chromedp/chromedp", []string{"agent/web/webtest"}, "a browser driver is for tests"},
	{"github.com/standard-webhooks/standard-webhooks", nil, "signing is eight lines; in tests it is the second opinion on them"},
	{"github.com/rogpeppe/go-internal", nil, "scripts are for tests"},
}

func TestHeavyLibrariesHaveOneImporter(t *testing.T) {
	for _, f := range code(t) {
		for _, imported := range f.imports {
			for _, rule := range owners {
				if !within(imported, rule.library) {
					continue
				}
				if !slices.ContainsFunc(rule.dirs, func(dir string) bool { return within(f.dir, dir) }) {
					t.Errorf("%s imports %s, which belongs to %s: %s", f.name, imported, strings.Join(rule.dirs, ", "), rule.reason)
				}
			}
		}
	}
}

func TestSQLiteIsPureGo(t *testing.T) {
	for _, f := range source(t) {
		if slices.Contains(f.imports, "C") {
			t.Errorf("%s imports C: programs are static and cross-compile to every board", f.name)
		}
	}
}

// clockCalls read or wait for the real time.
var clockCalls = []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick"}

func TestTheEngineHasNoClock(t *testing.T) {
	for _, f := range code(t) {
		if !within(f.dir, "sync/engine") && !within(f.dir, "sync/schedule") {
			continue
		}
		calls(f, func(call *ast.CallExpr) {
			if slices.Contains(clockCalls, called(call)) {
				t.Errorf("%s: %s: the engine is told the time, so that a schedule repeats exactly", f.at(call), called(call))
			}
		})
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: go statement: the engine is one state machine without goroutines", f.at(g))
			}
			return true
		})
	}
}
