package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/office"
	"tram/agent/tooltest"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

const (
	// debianPython has the libraries that generated Python stands on; another
	// python3 in PATH may not.
	debianPython = "/usr/bin/python3"
	// clientsEndIn is the longest that all clients together take.
	clientsEndIn = 3 * time.Minute
)

// maker is a program of another maker, with the key of its application.
type maker struct {
	t       *testing.T
	command []string
	dir     string
	key     string
	env     []string
}

// start runs the program; wait gives what it printed.
func (m maker) start(ctx context.Context, args ...string) (wait func(answer any)) {
	m.t.Helper()
	argv := slices.Concat(m.command, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = m.dir, slices.Concat(os.Environ(), m.env), time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return func(answer any) {
		m.t.Helper()
		if err := cmd.Wait(); err != nil {
			m.t.Fatalf("%s: %v\n%s%s", filepath.Base(m.dir), err, stdout.Bytes(), stderr.Bytes())
		}
		if err := json.Unmarshal(stdout.Bytes(), answer); err != nil {
			m.t.Fatalf("%s: %v\n%s%s", filepath.Base(m.dir), err, stdout.Bytes(), stderr.Bytes())
		}
	}
}

func (m maker) run(ctx context.Context, answer any, args ...string) {
	m.t.Helper()
	m.start(ctx, args...)(answer)
}

// library holds that a language has what generated code stands on.
func library(t *testing.T, name string, command ...string) {
	t.Helper()
	err := exec.CommandContext(t.Context(), command[0], command[1:]...).Run()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing: %v", name, err)
	default:
		t.Skipf("%s is not installed: clients of other makers did not run", name)
	}
}

// workshop generates clients from the OpenAPI document that an office serves.
type workshop struct {
	t                  *testing.T
	dir                string
	modules            string
	node, java, php    string
	openapi, openapi30 string
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	const what = "clients of other makers"
	w := &workshop{
		t: t, dir: t.TempDir(), modules: tooltest.NPM(t, "testdata/npm", "clients of other makers"),
		node: tooltest.Find(t, "node", what), java: tooltest.Find(t, "java", what), php: tooltest.Find(t, "php", what),
	}
	for _, name := range []string{"curl", "jq", debianPython} {
		tooltest.Find(t, name, what)
	}
	library(t, "urllib3, dateutil, six or certifi of Python", debianPython, "-c", "import urllib3, dateutil, six, certifi")
	library(t, "Guzzle of PHP", w.php, "-r", "require 'GuzzleHttp/autoload.php';")
	return w
}

// read fetches the document in both forms, as a maker does.
func (w *workshop) read(o *world.Office) {
	w.t.Helper()
	w.openapi, w.openapi30 = filepath.Join(w.dir, "openapi.json"), filepath.Join(w.dir, "openapi-3.0.json")
	for _, path := range []string{w.openapi, w.openapi30} {
		resp, err := http.Get("http://" + o.Spec.UI + "/api/v1/" + filepath.Base(path))
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			w.t.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// make runs a generator or compiler.
func (w *workshop) make(dir string, command ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

// open copies the maker's own program beside which its client is generated.
func (w *workshop) open(language string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, language)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients", language))); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w *workshop) openapiGenerator(dir string, args ...string) {
	w.t.Helper()
	jar := filepath.Join(w.modules, "@openapitools", "openapi-generator-cli", "bin", "openapi-generator.jar")
	w.make(dir, slices.Concat([]string{w.java, "-jar", jar, "generate", "-i", w.openapi30}, args)...)
}

func (w *workshop) typescript() maker {
	w.t.Helper()
	dir := w.open("typescript")
	if err := os.Symlink(w.modules, filepath.Join(dir, "node_modules")); err != nil {
		w.t.Fatal(err)
	}
	w.make(dir, w.node, "node_modules/.bin/openapi-ts", "-i", w.openapi, "-o", "api")
	w.make(dir, w.node, "node_modules/.bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--types", "node",
		"--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "commonjs", "--moduleResolution", "node", "--outDir", "out", "edocman.ts")
	return maker{t: w.t, dir: dir, command: []string{w.node, "out/edocman.js"}}
}

func (w *workshop) python() maker {
	w.t.Helper()
	dir := w.open("python")
	w.openapiGenerator(dir, "-g", "python", "-o", "api", "--additional-properties=packageName=tram_api")
	return maker{t: w.t, dir: dir, command: []string{debianPython, "onestop.py"}, env: []string{"PYTHONPATH=api", "TMPDIR=" + w.t.TempDir()}}
}

func (w *workshop) phpClient() maker {
	w.t.Helper()
	dir := w.open("php")
	w.openapiGenerator(dir, "-g", "php", "-o", "api", "--additional-properties=invokerPackage=TramApi")
	// The generator's PHP is of before PHP 8.1, which calls some of it outdated.
	return maker{t: w.t, dir: dir, command: []string{w.php, "-d", "error_reporting=E_ALL&~E_DEPRECATED", "-d", "display_errors=stderr", "dichvucong.php"},
		env: []string{"TMPDIR=" + w.t.TempDir()}}
}

func (w *workshop) curl() maker {
	w.t.Helper()
	return maker{t: w.t, dir: w.open("curl"), command: []string{"sh", "portal.sh"}}
}

// at gives the program a key of its own at an office.
func (m maker) at(w *world.World, o *world.Office, name string, args ...string) maker {
	m.t.Helper()
	out, err := w.Run(m.t.Context(), "tram", slices.Concat([]string{"app", "create", name, "--data", o.Dir, "--json"}, args)...)
	if err != nil {
		m.t.Fatal(err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil || made.Key == "" {
		m.t.Fatalf("tram app create: %v\n%s", err, out)
	}
	m.key = made.Key
	m.env = append(m.env, "TRAM_URL=http://"+o.Spec.UI+"/api/v1", "TRAM_KEY="+made.Key)
	return m
}

// What the four programs print.
type (
	docSystem struct {
		Sent     []sentByMaker
		Received []takenByMaker
	}
	oneStop struct {
		Taken     []takenByMaker
		Cancelled []struct {
			ID     storage.ID
			Reason string
			State  office.State
		}
	}
	sentByMaker struct {
		ID      storage.ID
		Subject string
		States  []office.State
	}
	takenByMaker struct {
		ID              storage.ID
		Subject, SHA256 string
		From            string
		State           office.State
		Answer          *storage.ID
	}
	filed  struct{ ID, Again storage.ID }
	looked struct {
		Documents []struct {
			ID             storage.ID
			Box            office.Box
			State          office.State
			Number, SHA256 string
		}
		Events []storage.ID
		Others []int
		Accept int
	}
	portal struct {
		ID        storage.ID
		States    []office.State
		Unchanged int
	}
)

// Subjects of the story; the one-stop system decides by them.
const (
	aLetter      = "V/v phối hợp giải quyết thủ tục"
	anIncomplete = "Hồ sơ thiếu thành phần"
	aDossier     = "Hồ sơ đăng ký khai sinh, chờ kết quả"
	aRequest     = "Hồ sơ cấp bản sao trích lục"
)

// TestP12_ClientsOfOtherMakersExchangeDocuments: a document system in TypeScript, a one-stop system
// in Python, a public service in PHP and a portal of curl alone, three of them on
// clients that public generators make from the OpenAPI document, exchange
// documents through two offices and a hub. The public service sees its dossier
// and the answer to it, which is edXML, and nothing else.
func TestP12_ClientsOfOtherMakersExchangeDocuments(t *testing.T) {
	shop := newWorkshop(t)
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	shop.read(a)
	edocman := shop.typescript().at(w, a, "edocman", "--kind", "document")
	service := shop.phpClient().at(w, a, "dichvucong", "--kind", "publicservice")
	portals := shop.curl().at(w, a, "congthongtin", "--kind", "portal", "--scope", "documents.read,documents.send")
	desk := shop.python().at(w, b, "motcua", "--kind", "onestop")
	edocman.reachable(a, codeB)
	desk.reachable(b, codeA)

	contents := map[string][]byte{}
	file := func(name string, size int) string {
		contents[name] = sample.SmallPDF(size, uint64(size))
		path := filepath.Join(shop.dir, name)
		if err := os.WriteFile(path, contents[name], 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ctx, cancel := context.WithTimeout(t.Context(), clientsEndIn)
	defer cancel()
	var taken oneStop
	var exchanged docSystem
	var dossier filed
	var seen looked
	var asked portal
	deskEnds := desk.start(ctx, "4", "1", file("Kết quả.pdf", 30_000))
	edocmanEnds := edocman.start(ctx, codeB, file("Công văn.pdf", 40_000), "1", aLetter, anIncomplete)
	portalEnds := portals.start(ctx, codeB, aRequest, file("Đơn.pdf", 50_000))
	service.run(ctx, &dossier, "file", codeB, aDossier, file("Tờ khai.pdf", 60_000))
	deskEnds(&taken)
	edocmanEnds(&exchanged)
	portalEnds(&asked)
	if len(exchanged.Sent) != 2 || len(exchanged.Received) != 1 {
		t.Fatalf("the document system has %+v", exchanged)
	}
	reaches(t, a, dossier.ID, office.Accepted)
	answer := exchanged.Received[0].ID
	others := []storage.ID{exchanged.Sent[0].ID, exchanged.Sent[1].ID, asked.ID}
	service.run(ctx, &seen, append([]string{"look"}, texts(others)...)...)

	checkTaken(t, b, taken, contents)
	checkExchanged(t, a, b, exchanged, taken, contents["Kết quả.pdf"])
	checkFiled(t, a, dossier)
	checkSeen(t, seen, len(others), map[storage.ID]string{dossier.ID: digest(contents["Tờ khai.pdf"]), answer: digest(contents["Kết quả.pdf"])})
	if d := reaches(t, a, asked.ID, office.Accepted); asked.Unchanged == 0 || !slices.Contains(asked.States, d.State) {
		t.Errorf("the portal saw %+v", asked)
	}
}

// reachable waits until the registry that the program's office has says that a
// document can be sent to another office.
func (m maker) reachable(o *world.Office, code string) {
	m.t.Helper()
	eventually(m.t, code+" is reachable from "+o.Spec.Code, func() bool {
		req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, "http://"+o.Spec.UI+"/api/v1/offices/"+code, nil)
		if err != nil {
			m.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+m.key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var card struct{ Reachable bool }
		return json.NewDecoder(resp.Body).Decode(&card) == nil && card.Reachable
	})
}

func texts(ids []storage.ID) (list []string) {
	for _, id := range ids {
		list = append(list, id.String())
	}
	return list
}

// checkTaken holds what the one-stop system says against its own office.
func checkTaken(t *testing.T, b *world.Office, got oneStop, contents map[string][]byte) {
	t.Helper()
	want := map[string]struct {
		content string
		state   office.State
	}{
		aLetter:      {"Công văn.pdf", office.Accepted},
		anIncomplete: {"Công văn.pdf", office.Returned},
		aDossier:     {"Tờ khai.pdf", office.Accepted},
		aRequest:     {"Đơn.pdf", office.Accepted},
	}
	for _, d := range got.Taken {
		w, ok := want[d.Subject]
		if delete(want, d.Subject); !ok {
			t.Errorf("%q was taken twice, or was never sent", d.Subject)
			continue
		}
		end := w.state
		if d.Subject == aLetter { // accepted, then cancelled as its sender asked
			end = office.Recalled
			if len(got.Cancelled) != 1 || got.Cancelled[0].ID != d.ID || got.Cancelled[0].State != end || got.Cancelled[0].Reason != "Ban hành nhầm" {
				t.Errorf("cancelled: %+v", got.Cancelled)
			}
		}
		here := reaches(t, b, d.ID, end)
		sum := digest(contents[w.content])
		if d.SHA256 != sum || here.Attachments[0].SHA256 != sum || here.Attachments[0].Name != w.content {
			t.Errorf("%q came as %+v, and the program read %s", d.Subject, here.Attachments, d.SHA256)
		}
		if d.State != w.state || d.From != codeA || here.Seal == nil || here.Seal.Verdict != "passed" {
			t.Errorf("%q is %+v, sealed %+v", d.Subject, d, here.Seal)
		}
	}
	if len(want) > 0 {
		t.Errorf("not taken: %v", want)
	}
}

// checkExchanged holds what the document system says against both offices.
func checkExchanged(t *testing.T, a, b *world.Office, got docSystem, taken oneStop, result []byte) {
	t.Helper()
	for _, s := range got.Sent {
		end := office.Recalled
		if s.Subject == anIncomplete {
			end = office.Returned
		}
		d := reaches(t, a, s.ID, end)
		if !slices.Contains(s.States, office.Delivered) || !slices.Contains(s.States, end) || len(d.To) != 1 {
			t.Errorf("%q: the program saw %v, its office has %+v", s.Subject, s.States, d.To)
		}
		if end == office.Returned && d.Reason != "Thiếu bản sao giấy khai sinh" {
			t.Errorf("returned for %q", d.Reason)
		}
	}
	answer := got.Received[0]
	i := slices.IndexFunc(taken.Taken, func(d takenByMaker) bool { return d.Answer != nil })
	if i < 0 || *taken.Taken[i].Answer != answer.ID || answer.From != codeB || answer.State != office.Accepted || answer.SHA256 != digest(result) {
		t.Errorf("the result is %+v", answer)
	}
	reaches(t, a, answer.ID, office.Accepted)
	reaches(t, b, answer.ID, office.Accepted)
}

// checkFiled holds that the public service filed once, and that its office hears
// how the dossier goes.
func checkFiled(t *testing.T, a *world.Office, dossier filed) {
	t.Helper()
	if dossier.ID != dossier.Again {
		t.Errorf("one dossier was filed as %s and %s", dossier.ID, dossier.Again)
	}
	eventually(t, "the reports 04, 05 and 06 of the one-stop system", func() bool {
		d, err := a.API.Get(t.Context(), dossier.ID)
		var codes []string
		for _, e := range d.Events {
			codes = append(codes, string(e.Code))
		}
		return err == nil && slices.Contains(codes, "04") && slices.Contains(codes, "05") && slices.Contains(codes, "06")
	})
}

// checkSeen holds that the public service sees its own documents, given with
// their contents, and nothing of the other applications.
func checkSeen(t *testing.T, seen looked, others int, own map[storage.ID]string) {
	t.Helper()
	if len(seen.Documents) != len(own) || len(seen.Events) != len(own) {
		t.Errorf("the public service sees %+v and is told of %v", seen.Documents, seen.Events)
	}
	for _, d := range seen.Documents {
		if own[d.ID] != d.SHA256 || d.State != office.Accepted || d.Box == office.Out && d.Number == "" {
			t.Errorf("it sees %+v", d)
		}
	}
	for _, id := range seen.Events {
		if own[id] == "" {
			t.Errorf("it is told of %s", id)
		}
	}
	if len(seen.Others) != 2*others || slices.ContainsFunc(seen.Others, func(status int) bool { return status != http.StatusNotFound }) {
		t.Errorf("documents of others are answered with %v", seen.Others)
	}
	if seen.Accept != http.StatusForbidden {
		t.Errorf("accepting is answered with %d", seen.Accept)
	}
}
