package agent_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent"
	"tram/agent/api/appkey"
	"tram/agent/connector"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/office"
	"tram/storage/sqlite"
)

// person is an applicant whose name nobody else has.
const person = "Hoàng-yến"

// rest calls the interface for other software of an office.
type rest struct {
	b   *box
	url string
	key appkey.Key
}

func (b *box) restAs(name string, kind appkey.Kind) *rest {
	b.p.t.Helper()
	apps := appkey.NewClient(b.dir)
	defer apps.Close()
	made, err := apps.Create(b.p.t.Context(), appkey.NewApp{Name: name, Kind: kind})
	noError(b.p.t, err)
	st, err := b.api.Status(b.p.t.Context())
	noError(b.p.t, err)
	return &rest{b, st.UI, made.Key}
}

// call gives status and body.
func (r *rest) call(method, path, body string, headers ...string) (int, string) {
	t := r.b.p.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+"/api/v1"+path, strings.NewReader(body))
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+string(r.key))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	noError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	noError(t, err)
	return res.StatusCode, string(raw)
}

// want decodes the answer of a call that gives a status.
func (r *rest) want(status int, method, path, body string, headers ...string) (out struct{ ID, Code string }) {
	r.b.p.t.Helper()
	got, text := r.call(method, path, body, headers...)
	if got != status {
		r.b.p.t.Fatalf("%s %s gave %d: %s", method, path, got, text)
	}
	if text != "" {
		noError(r.b.p.t, json.Unmarshal([]byte(text), &out))
	}
	return out
}

// upload brings a file.
func (r *rest) upload(name, content string) string {
	r.b.p.t.Helper()
	id := r.want(201, "POST", "/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(len(content)),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(name))).ID
	r.want(204, "PATCH", "/uploads/"+id, content, "Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	return id
}

// traces are the tables of an office's database, and of its connectors', in whose rows
// the person is named.
func (b *box) traces() (list []string) {
	t := b.p.t
	t.Helper()
	noError(t, b.agent.DB().View(t.Context(), func(tx *sqlite.Tx) error {
		tables, err := sqlite.Column[string](tx, `SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name`)
		if err != nil {
			return err
		}
		for _, table := range tables {
			columns, err := sqlite.Column[string](tx, `SELECT 'quote(' || name || ') || coalesce(CAST(' || name || ' AS TEXT), '''')' FROM pragma_table_info(?)`, table)
			if err != nil {
				return err
			}
			rows, err := sqlite.Column[string](tx, `SELECT `+strings.Join(columns, " || ")+` FROM "`+table+`"`)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if strings.Contains(row, person) || strings.Contains(row, "hoang-yen") || strings.Contains(row, fmt.Sprintf("%X", person)) {
					list = append(list, table)
					break
				}
			}
		}
		return nil
	}))
	return list
}

func toJSON(v any) string {
	raw, err := json.Marshal(v)
	return string(raw) + fmt.Sprint(err)
}

// elsewhere are the files beside the office's database and its content, which the sweep
// removes, that name the person.
func (b *box) elsewhere() (list []string) {
	noError(b.p.t, filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && e.Name() == "blobs" {
			return cmp.Or(err, fs.SkipDir)
		}
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), agent.DatabaseFile) {
			return nil
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(person)) || strings.Contains(path, person) {
			list = append(list, path)
		}
		return err
	}))
	return list
}

// TestNothingOfAnErasedApplicantIsLeftInTheOffice: after a dossier was filed over the
// interface, supplemented, handed to another office, given back, refused by the
// province's axis in words that name the applicant, and erased, no row of the whole
// database names them.
func TestNothingOfAnErasedApplicantIsLeftInTheOffice(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	ctx := t.Context()
	_, err := a.agent.Dossiers().TakeCatalogue(ctx, dossier.Catalogue{Origin: "H40", Version: 1, Procedures: []dossier.Procedure{marriage}}, "it")
	noError(t, err)
	axis := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"error_code":"77","message":"Hồ sơ của %s đã có"}`, person)
	}))
	t.Cleanup(axis.Close)
	noError(t, a.agent.Connectors().Add(ctx, connector.Spec{Name: "truc", Kind: "lgsp", Secret: []byte("bi-mat"),
		Settings: json.RawMessage(fmt.Sprintf(`{"url":%q,"system_id":%q,"dossiers":{"path":"v1/dossiers","final":["77"]}}`, axis.URL, codeA))}, "it"))

	gate := a.restAs("cong-dvc", appkey.PublicService)
	scan := gate.upload(person+".pdf", "tờ khai của "+person)
	filing := fmt.Sprintf(`{"procedure":%q,"subject":"trích yếu %[2]s","applicant":{"kind":"citizen","name":"Nguyễn %[2]s","number":"%[2]s1","address":"%[2]s 2","phone":"%[2]s3","email":"%[2]s@x.vn","agent":"%[2]s5"},"files":[{"upload":%[3]q,"paper":0}]}`,
		marriage.Code.Number, person, scan)
	filed := gate.want(201, "POST", "/dossiers", filing, "Idempotency-Key", "nop-1")
	desk := dossier.Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: dossier.Desk | dossier.Officer}
	boss := dossier.Actor{Person: "chutich", Name: "Trần Văn Chủ", Roles: dossier.Leader}
	c, err := code.ParseDossier(filed.Code)
	noError(t, err)
	d, err := a.agent.Dossiers().ByCode(ctx, c)
	noError(t, err)
	act := func(d dossier.Dossier, err error) dossier.Dossier { t.Helper(); noError(t, err); return d }
	act(a.agent.Dossiers().AskSupplement(ctx, d.ID, "thiếu giấy của "+person, person, desk, 0))
	more := gate.upload(person+"-2.pdf", "giấy của "+person)
	supplement := fmt.Sprintf(`{"files":[{"upload":%q,"paper":0}],"note":"đã nộp: %s"}`, more, person)
	gate.want(200, "POST", "/dossiers/"+filed.ID+"/supplement", supplement, "Idempotency-Key", "bs-1")
	act(a.agent.Dossiers().Accept(ctx, d.ID, nil, desk, 0))
	act(a.agent.Dossiers().PrepareApology(ctx, d.ID, "2099-11-30", "xin lỗi "+person, desk, 0))
	act(a.agent.Dossiers().SendApologyBack(ctx, d.ID, "không phải "+person, boss, 0))
	p.eventually("the hand-over", func() bool {
		_, err = a.agent.Dossiers().HandOn(ctx, d.ID, []dossier.Hand{{To: codeB, Name: "UBND phường Tân Lập", Task: dossier.Decide, Note: "của " + person}}, desk, 0)
		return err == nil
	})
	var g dossier.Dossier
	p.eventually("the dossier at the other office", func() bool {
		g, err = b.agent.Dossiers().ByCode(ctx, c)
		return err == nil
	})
	act(b.agent.Dossiers().Accept(ctx, g.ID, nil, desk, 0))
	act(b.agent.Dossiers().Finish(ctx, g.ID, dossier.Result{Name: "Giấy của " + person, Number: "15", Text: person}, []dossier.Upload{{Name: person + ".pdf", Body: bytes.NewReader([]byte("kết quả của " + person))}}, desk, 0))
	p.eventually("the result at its owner", func() bool {
		d, err = a.agent.Dossiers().Get(ctx, d.ID)
		return err == nil && d.Status == code.Done
	})
	// What a maker's system reports is answered with the dossier.
	office1 := a.restAs("mot-cua", appkey.OneStop)
	office1.want(200, "POST", "/dossiers/"+filed.ID+"/state", fmt.Sprintf(`{"status":10,"reason":"trả cho %s"}`, person), "Idempotency-Key", "tra-1")
	p.eventually("the axis's refusal", func() bool {
		list, err := a.agent.Connectors().Letters(ctx, "truc")
		return err == nil && len(list) > 0 && list[0].Dead
	})
	if st, err := a.api.Status(ctx); err != nil || strings.Contains(fmt.Sprintf("%+v", st), person) {
		t.Errorf("the state that the hub is told names the applicant, or %v", err)
	}
	if list, err := a.agent.Connectors().List(ctx); err != nil || !strings.Contains(toJSON(list), "lgsp.dossier") || strings.Contains(toJSON(list), person) {
		t.Errorf("the connector does not say why it fails, or names the applicant, or %v: %s", err, toJSON(list))
	}
	before := strings.Join(a.traces(), " ")
	for _, table := range []string{"dossiers", "dossier_events", "dossier_files", "dossier_transfers"} {
		if !strings.Contains(before, table) {
			t.Errorf("the test shows nothing of %s: %s", table, before)
		}
	}
	p.eventually("the erasure", func() bool { // what other offices are owed goes first
		_, err = a.agent.Dossiers().Erase(ctx, d.ID, "theo yêu cầu", boss)
		return err == nil
	})
	if left := a.traces(); len(left) > 0 {
		t.Errorf("%v still name the applicant; %s did", left, before)
	}
	if left := a.elsewhere(); len(left) > 0 {
		t.Errorf("%v name the applicant", left)
	}
	p.log.mu.Lock()
	if bytes.Contains(p.log.all.Bytes(), []byte(person)) {
		t.Error("the log names the applicant")
	}
	p.log.mu.Unlock()
	// The same calls again neither do anything twice (P2) nor give the person back.
	for path, body := range map[string][2]string{"/dossiers": {filing, "nop-1"}, "/dossiers/" + filed.ID + "/supplement": {supplement, "bs-1"}} {
		status, text := gate.call("POST", path, body[0], "Idempotency-Key", body[1])
		if strings.Contains(text, person) {
			t.Errorf("%s gives the erased back: %d %s", path, status, text)
		}
	}
	page, err := a.agent.Dossiers().List(ctx, dossier.Query{})
	noError(t, err)
	if len(page.Rows) != 1 || page.Rows[0].Applicant != "" {
		t.Errorf("%+v", page.Rows)
	}
	if list, _, err := a.agent.Office().FeedTo(ctx, office.Reading{Dossiers: true}, "", 1000); err != nil || strings.Contains(fmt.Sprintf("%+v", list), person) {
		t.Errorf("the feed names the applicant, or %v", err)
	}
	p.auditsHold(codeA, codeB)
}
