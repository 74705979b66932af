package lgsptest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"tram/agent/dossier/dongbo"
	"tram/agent/dossier/dongbo/dongbotest"
)

// Lookup is the name of the service that finds a dossier.
const Lookup = "TraCuuHoSo"

// Portal is where the axis brings dossiers.
func (a *Axis) Portal() *dongbotest.Portal { return a.portal }

// dossiers takes an envelope.
func (a *Axis) dossiers(w http.ResponseWriter, r *http.Request, system string) {
	var body struct {
		Service    string          `json:"service"`
		Unit       string          `json:"madonvi"`
		IsUpdating string          `json:"isUpdating"`
		Session    string          `json:"session"`
		MaHoSo     string          `json:"mahoso"`
		Data       json.RawMessage `json:"data"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	a.mu.Lock()
	user := a.user
	a.mu.Unlock()
	if err := d.Decode(&body); err != nil || body.Unit != system || user != "" && body.Session != token {
		decline(w, "400", "sai cấu trúc")
		return
	}
	if body.Service == Lookup {
		found := []string{}
		if a.portal.Has(body.MaHoSo) {
			found = append(found, body.MaHoSo)
		}
		reply(w, map[string]any{"error_code": "00", "message": "OK", "result": found})
		return
	}
	a.pass(w, r, dongbo.Call{Service: body.Service, Update: body.IsUpdating == "True", Data: body.Data})
}

// bare takes a list.
func (a *Axis) bare(w http.ResponseWriter, r *http.Request, _ string) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		decline(w, "400", "đứt")
		return
	}
	c := dongbo.Call{Service: dongbo.ServiceDossier, Update: r.URL.Query().Get("isUpdating") == "True", Data: raw}
	if r.URL.Path == Steps {
		c.Service = dongbo.ServiceProgress
	}
	a.pass(w, r, c)
}

// pass brings a call to the portal.
func (a *Axis) pass(w http.ResponseWriter, r *http.Request, c dongbo.Call) {
	c.Key = r.Header.Get("Idempotency-Key")
	if err := a.portal.Take(c); err != nil {
		code := "500"
		if errors.Is(err, dongbo.ErrRefused) {
			code = "17"
		}
		decline(w, code, err.Error())
		return
	}
	reply(w, map[string]any{"error_code": "0", "message": "Thành công"})
}

// decline answers that a dossier is not taken.
func decline(w http.ResponseWriter, code, words string) {
	reply(w, map[string]any{"error_code": code, "message": words})
}

// Decline has dossiers answered with a code.
func Decline(code string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body)
		decline(w, code, "lỗi "+code)
	}
}
