// Package lgsptest is a small exchange axis for tests: several systems send each
// other messages over the interface that package lgsp speaks, and faults come on
// demand. It keeps messages in files, so that large ones cost no memory.
package lgsptest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier/dongbo/dongbotest"
	"tram/agent/edxml"
)

// Forms in which the axis gives messages out.
const (
	FormJSON   = "json"   // as a text
	FormBase64 = "base64" // as base64 in JSON
	FormPart   = "multipart"
	FormRaw    = "raw"
)

// Paths of the calls.
const (
	Send     = "/v1/sendEdoc"
	Received = "/v1/syncReceivedEdocList"
	Sent     = "/v1/getSentEdocList"
	Get      = "/v1/getEdoc"
	Update   = "/v1/updateStatus"
	Agencies = "/v1/getAgenciesList"
	Login    = "/v1/auth/login"
	Dossiers = "/v1/dossiers" // in envelopes
	Bare     = "/v1/bare"     // dossiers as a list
	Steps    = "/v1/steps"    // their progress items, likewise
)

// Message is a message at the axis.
type Message struct {
	Ref        string // docId
	Kind       string // "edoc" or "status"
	From       string
	To         []string
	DocumentID string
	Status     *edxml.Status // of a status
	States     map[string]string
	Updates    []string // what updateStatus was called with, "G22 done"
	SHA256     string   // as the axis tells it
	Length     int64    // likewise, negative for not at all
	file       string
}

// Agency is an entry of the list of offices.
type Agency struct {
	Code string `json:"code"`
	Name string `json:"name"`
	Old  string `json:"oldCode,omitempty"`
}

// Fault takes the place of a call; next does what the call would.
type Fault func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)

// Axis is the server.
type Axis struct {
	dir   string
	mux   *http.ServeMux
	mu    sync.Mutex
	away  bool
	form  string
	user  string // of the account that is needed, with its password
	calls []string
	// systems and their secrets; locked ones get nothing
	systems  map[string]string
	locked   map[string]bool
	messages []*Message
	agencies func(yield func(Agency) bool)
	faults   map[string][]Fault
	portal   *dongbotest.Portal
}

// New makes an axis with systems and their secrets, which keeps messages in dir.
func New(dir string, systems map[string]string) *Axis {
	a := &Axis{dir: dir, mux: http.NewServeMux(), form: FormJSON, systems: systems, locked: map[string]bool{}, faults: map[string][]Fault{}, portal: dongbotest.NewPortal()}
	a.agencies = func(yield func(Agency) bool) {
		for code := range systems {
			if !yield(Agency{Code: code, Name: "Đơn vị " + code}) {
				return
			}
		}
	}
	for path, do := range map[string]func(http.ResponseWriter, *http.Request, string){
		"POST " + Send: a.send, "GET " + Received: a.received, "GET " + Sent: a.sent, "GET " + Get: a.get,
		"POST " + Update: a.update, "GET " + Agencies: a.list, "POST " + Dossiers: a.dossiers, "POST " + Bare: a.bare, "POST " + Steps: a.bare,
	} {
		a.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { a.as(w, r, do) })
	}
	a.mux.HandleFunc("POST "+Login, a.login)
	return a
}

// Set changes the axis while nothing else does.
func (a *Axis) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// SetAway makes it unreachable, or reachable again.
func (a *Axis) SetAway(away bool) { a.set(func() { a.away = away }) }

// SetForm chooses how messages are given out.
func (a *Axis) SetForm(form string) { a.set(func() { a.form = form }) }

// SetLocked locks a system.
func (a *Axis) SetLocked(system string, locked bool) { a.set(func() { a.locked[system] = locked }) }

// SetAgencies replaces the list of offices.
func (a *Axis) SetAgencies(list func(yield func(Agency) bool)) { a.set(func() { a.agencies = list }) }

// SetAccount has every call need the token of an account, written "name password".
func (a *Axis) SetAccount(account string) { a.set(func() { a.user = account }) }

// Fail has the next n calls of a path go wrong.
func (a *Axis) Fail(path string, n int, f Fault) {
	a.set(func() {
		for range n {
			a.faults[path] = append(a.faults[path], f)
		}
	})
}

// Calls lists the calls so far, "POST /v1/sendEdoc".
func (a *Axis) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// ServeHTTP implements [http.Handler].
func (a *Axis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.calls = append(a.calls, r.Method+" "+r.URL.Path)
	var fault Fault
	if list := a.faults[r.URL.Path]; len(list) > 0 {
		fault, a.faults[r.URL.Path] = list[0], list[1:]
	}
	away := a.away
	a.mu.Unlock()
	switch {
	case away:
		panic(http.ErrAbortHandler)
	case fault != nil:
		fault(w, r, a.mux.ServeHTTP)
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// token is what the account's login gives.
const token = "token-of-the-account"

// as checks who calls.
func (a *Axis) as(w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request, string)) {
	id := r.Header.Get("X-SystemId")
	a.mu.Lock()
	secret, known := a.systems[id]
	user := a.user
	a.mu.Unlock()
	if user != "" && r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !known || r.Header.Get("X-SecretKey") != secret {
		Refuse(w, "15")
		return
	}
	do(w, r, id)
}

func (a *Axis) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ Username, Password string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Username+" "+body.Password != a.user {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	reply(w, map[string]any{"code": 200, "message": "OK", "data": map[string]any{"token": token}})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the caller sees a cut
}

// Refuse answers with an error code.
func Refuse(w http.ResponseWriter, code string) {
	reply(w, map[string]any{"success": false, "message": "Lỗi", "data": map[string]any{"docId": nil, "status": "error", "errorCode": code, "errorDesc": "lỗi " + code}})
}

// refusal is a code of the axis.
type refusal string

func (r refusal) Error() string { return string(r) }

func (a *Axis) send(w http.ResponseWriter, r *http.Request, from string) {
	kind, file, err := a.upload(r)
	var ref string
	if err == nil {
		ref, err = a.take(from, kind, file)
	}
	var code refusal
	switch {
	case errors.As(err, &code):
		Refuse(w, string(code))
	case err != nil:
		Refuse(w, "10")
	default:
		reply(w, map[string]any{"success": true, "message": "OK", "docId": ref})
	}
}

func (a *Axis) upload(r *http.Request) (kind, file string, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", "", err
	}
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return kind, file, nil
		}
		if err != nil {
			return "", "", err
		}
		switch p.FormName() {
		case "messageType":
			raw, err := io.ReadAll(p)
			if kind = string(raw); err != nil {
				return "", "", err
			}
		case "edocFile":
			if file, err = a.keep(p); err != nil {
				return "", "", err
			}
		}
	}
}

func (a *Axis) keep(r io.Reader) (string, error) {
	path := filepath.Join(a.dir, uuid.NewString()+".edxml")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = io.Copy(f, r)
	return path, err
}

// take takes a message over from a system.
func (a *Axis) take(from, kind, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", refusal("10")
	}
	defer f.Close()
	full, err := edxml.Read(f, edxml.ReadOptions{})
	if err != nil {
		return "", refusal("22")
	}
	m := &Message{Ref: uuid.NewString(), Kind: kind, From: from, States: map[string]string{}, file: file}
	switch msg := full.Message.(type) {
	case *edxml.Document:
		m.DocumentID = msg.ID
		for _, to := range msg.To {
			m.To = append(m.To, to.ID)
		}
		if msg.From.ID != from || kind != "edoc" {
			return "", refusal("19")
		}
	case *edxml.Status:
		m.DocumentID, m.To, m.Status = msg.ResponseFor.DocumentID, []string{msg.ResponseFor.OrganID}, msg
		if msg.From.ID != from || kind != "status" {
			return "", refusal("19")
		}
	}
	return m.Ref, a.add(m)
}

// add puts a message up for its recipients.
func (a *Axis) add(m *Message) error {
	sum := sha256.New()
	f, err := os.Open(m.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if m.Length, err = io.Copy(sum, f); err != nil {
		return err
	}
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, to := range m.To {
		if _, known := a.systems[to]; !known {
			return refusal("18")
		}
		if a.locked[to] {
			return refusal("23")
		}
		m.States[to] = "INITIAL"
	}
	a.messages = append(a.messages, m)
	return nil
}

func (a *Axis) entries(w http.ResponseWriter, r *http.Request, of func(m *Message) (to, state string, ok bool)) {
	kind := r.URL.Query().Get("messageType")
	for _, day := range []string{"fromDate", "toDate"} {
		if _, err := time.Parse("2006/01/02", r.URL.Query().Get(day)); err != nil {
			Refuse(w, "20")
			return
		}
	}
	a.mu.Lock()
	data := []map[string]any{}
	for _, m := range a.messages {
		to, state, ok := of(m)
		if m.Kind != kind || !ok {
			continue
		}
		e := map[string]any{
			"serviceType": "eDoc", "createdTime": "2026-11-23 08:00:00", "messageType": m.Kind, "docId": m.Ref, "from": m.From, "to": to, "status": state,
			"statusDesc": state, "documentId": m.DocumentID,
		}
		if m.Length >= 0 {
			e["contentSha256"], e["contentLength"] = m.SHA256, strconv.FormatInt(m.Length, 10)
		}
		data = append(data, e)
	}
	a.mu.Unlock()
	reply(w, map[string]any{"success": true, "message": "OK", "count": len(data), "data": data})
}

func (a *Axis) received(w http.ResponseWriter, r *http.Request, system string) {
	a.entries(w, r, func(m *Message) (string, string, bool) {
		state, ok := m.States[system]
		return system, state, ok
	})
}

func (a *Axis) sent(w http.ResponseWriter, r *http.Request, system string) {
	a.entries(w, r, func(m *Message) (string, string, bool) {
		state := "PROCESSING"
		for _, s := range m.States {
			if s == "FAIL" || s == "DONE" {
				state = s
			}
		}
		return strings.Join(m.To, ","), state, m.From == system
	})
}

func (a *Axis) find(ref, system string) *Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.messages {
		if _, ok := m.States[system]; ok && m.Ref == ref {
			return m
		}
	}
	return nil
}

func (a *Axis) update(w http.ResponseWriter, r *http.Request, system string) {
	var body struct{ DocID, Status string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		Refuse(w, "10")
		return
	}
	m := a.find(body.DocID, system)
	if m == nil {
		Refuse(w, "21")
		return
	}
	a.mu.Lock()
	m.Updates = append(m.Updates, system+" "+body.Status)
	state := strings.ToUpper(body.Status)
	if slices.Contains([]string{"INITIAL", "PROCESSING", "DONE", "FAIL"}, state) {
		m.States[system] = state
	}
	a.mu.Unlock()
	if len(body.Status) == 2 {
		if err := a.status(m, system, body.Status); err != nil {
			Refuse(w, "21")
			return
		}
	}
	reply(w, map[string]any{"success": true, "message": "OK"})
}

// status tells the sender of a message a status as a message of its own, once.
func (a *Axis) status(about *Message, from, code string) error {
	a.mu.Lock()
	for _, m := range a.messages {
		if m.Kind == "status" && m.From == from && m.DocumentID == about.DocumentID && m.Status != nil && string(m.Status.Code) == code {
			a.mu.Unlock()
			return nil
		}
	}
	a.mu.Unlock()
	words := map[string]string{"02": "không nêu lý do", "16": "không nêu lý do"}[code]
	_, err := a.put(from, "status", Status(from, about.From, about.DocumentID, code, words, time.Now()))
	return err
}

// put takes a message over that does not come over HTTP.
func (a *Axis) put(from, kind string, raw []byte) (string, error) {
	file, err := a.keep(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	return a.take(from, kind, file)
}

func (a *Axis) list(w http.ResponseWriter, _ *http.Request, _ string) {
	a.mu.Lock()
	each := a.agencies
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"code":200,"data":[`)
	first := true
	each(func(e Agency) bool {
		raw, err := json.Marshal(e)
		if !first {
			fmt.Fprint(w, ",")
		}
		first = false
		_, werr := w.Write(raw)
		return err == nil && werr == nil
	})
	fmt.Fprint(w, `]}`)
}
