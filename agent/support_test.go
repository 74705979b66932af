package agent_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/office"
	"tram/agent/sealbook"
	"tram/agent/support"
)

// canaries are words that people put in at every place that there is.
var canaries = map[string]string{
	"subject": "zzqchude", "content": "zzqnoidung", "file": "zzqtentep", "sender": "zzqnguoigui", "reason": "zzqlydo", "account": "zzqtaikhoan", "person": "zzqhoten",
	"password": "zzqmatkhau", "wrong name": "zzqtensai", "app": "zzqungdung", "connector": "zzqketnoi", "folder": "zzqthumuc", "secret": "zzqbimat", "pin": "zzqmapin",
	"seal": "zzqcondau", "signer": "zzqnguoiky", "support": "zzqhotro", "command": "zzqlenh", "place": "zzqnoiky",
}

// putCanaries does what an office does, with them.
func putCanaries(t *testing.T, a, b *box) (secrets []string) {
	t.Helper()
	ctx := t.Context()
	must := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var doc office.Document
	a.p.eventually("sending", func() bool {
		var err error
		doc, err = a.api.Send(ctx, api.DraftRequest{To: []string{codeB}, Subject: canaries["subject"], Files: []string{canaries["file"] + ".pdf"}, By: canaries["sender"]},
			[]io.Reader{strings.NewReader(canaries["content"])})
		return err == nil
	})
	b.reaches(doc.ID, office.Arrived)
	_, err := b.api.Return(ctx, doc.ID, canaries["reason"], canaries["person"])
	must("return", err)
	a.reaches(doc.ID, office.Returned)
	must("account", a.api.CreateAccount(ctx, api.Account{Name: canaries["account"], Display: canaries["person"], Role: "clerk", Password: canaries["password"] + " 1"}))
	apps := appkey.NewClient(a.dir)
	defer apps.Close()
	made, err := apps.Create(ctx, appkey.NewApp{Name: canaries["app"], Kind: appkey.Portal, By: canaries["person"]})
	must("application", err)
	folder := filepath.Join(a.dir, canaries["folder"])
	must("folder", os.Mkdir(folder, 0o700))
	connectors := connector.Client{Client: a.api}
	_, err = connectors.Add(ctx, connector.Spec{Name: canaries["connector"], Kind: "hotfolder", Settings: []byte(`{"dir":"` + filepath.ToSlash(folder) + `"}`), Secret: []byte(canaries["secret"])})
	must("connector", err)
	// It fails from now on, with the folder's name in the error. The connector may
	// be writing into it meanwhile.
	a.p.eventually("the folder is gone", func() bool { return os.RemoveAll(folder) == nil })
	a.p.eventually("the connector's failure", func() bool {
		list, err := connectors.List(ctx)
		return err == nil && len(list) == 1 && list[0].State == connector.Failing
	})
	err = a.api.Call(ctx, http.MethodPost, sealbook.UnlockPath, sealbook.UnlockRequest{Name: canaries["seal"], Secret: []byte(canaries["pin"])}, &sealbook.Unlocked{})
	if err == nil {
		t.Fatal("a seal that is not there was unlocked")
	}
	st, err := a.api.Status(ctx)
	must("status", err)
	must("sign-in", signIn(st.UI, canaries["wrong name"], canaries["password"]))
	return append(keysOf(t, a.dir), string(made.Key))
}

// signIn tries to, on the pages.
func signIn(ui, name, password string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar}
	defer client.CloseIdleConnections()
	res, err := client.Get(ui + "/dang-nhap")
	if err != nil {
		return err
	}
	page, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(page), `name="ma" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	if res, err = client.PostForm(ui+"/dang-nhap", url.Values{"ma": {token}, "name": {name}, "password": {password}}); err != nil {
		return err
	}
	if res.StatusCode != http.StatusUnprocessableEntity && res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
		return fmt.Errorf("signing in gave %s", res.Status)
	}
	return res.Body.Close()
}

// keysOf are the secret keys of a box, as they stand in its files.
func keysOf(t *testing.T, dir string) (keys []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".key") {
			return err
		}
		data, err := os.ReadFile(path)
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
				keys = append(keys, line)
			}
		}
		return err
	})
	if err != nil || len(keys) == 0 {
		t.Fatalf("no keys in %s: %v", dir, err)
	}
	return keys
}

// TestNoCanaryLeavesTheHouseInTheSupportArchive looks for every word that people
// put in, and for the keys, in every file of the archive: of a box that runs and
// of one that was stopped.
func TestNoCanaryLeavesTheHouseInTheSupportArchive(t *testing.T) {
	p := found(t)
	p.settings = func(_ string, c *config.Office) {
		c.Office.Signer, c.Office.Place, c.UI.Support = canaries["signer"], canaries["place"], canaries["support"]
		c.Line.Up, c.Line.Down = []string{"/bin/" + canaries["command"]}, []string{"/bin/true"}
	}
	p.log.but = "connector" // its folder is taken away
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	secrets := putCanaries(t, a, b)
	var kept []byte
	for _, name := range []string{agent.DatabaseFile, agent.DatabaseFile + "-wal"} {
		data, err := os.ReadFile(filepath.Join(a.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, data...)
	}
	for _, what := range []string{"subject", "file", "reason", "account", "person", "app", "connector", "secret"} {
		if !bytes.Contains(kept, []byte(canaries[what])) {
			t.Errorf("the %s never was in this box: the test proves nothing", what)
		}
	}
	caller := api.NewCaller(a.dir, api.SocketName)
	defer caller.Close()
	files, err := support.Fetch(t.Context(), caller)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := support.Write(&archive, files, time.Now()); err != nil {
		t.Fatal(err)
	}
	all := unzipped(t, archive.Bytes())
	for what, word := range canaries {
		if found := find(all, word); found != "" {
			t.Errorf("the %s is in %s", what, found)
		}
	}
	for _, secret := range secrets {
		if found := find(all, secret); found != "" {
			t.Errorf("a key is in %s", found)
		}
	}
	for name, want := range map[string]string{"audit.txt": "document.send ", "log.txt": "office is running", "database.json": `"documents": 1`, "status.json": `"state": "ready"`,
		"connectors.json": `"state": "failing"`, "versions.json": `"office": `, "system.json": `"cpus"`, "settings.json": `"limits.files"`} {
		if !strings.Contains(all[name], want) {
			t.Errorf("%s does not hold %q:\n%s", name, want, all[name])
		}
	}
}

// find names the file that holds a word, as it is or as Base64, in any case.
func find(all map[string]string, word string) string {
	coded := base64.StdEncoding.EncodeToString([]byte(word))
	for name, text := range all {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) || strings.Contains(text, coded[:len(coded)-4]) {
			return fmt.Sprintf("%s:\n%s", name, text)
		}
	}
	return ""
}

func unzipped(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(data)
	}
	return all
}
