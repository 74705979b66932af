package lgsp

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/dossier/dongbo"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Forms of what dossiers are sent in.
const (
	formEnvelope = "envelope" // an object that names the service, with the list as data
	formList     = "list"     // the list alone
)

// Bounds of dossiers.
const (
	// dossierLife is how long a dossier that the axis refuses is tried again,
	// since nobody has published which refusals are for good.
	dossierLife = 72 * time.Hour
	// maxFinal is how many codes may be named as final.
	maxFinal = 100
)

// Dossiers are the settings of the synchronisation of one-stop dossiers. No
// specification of the call is public: paths and names are those that public
// programs use, or what the axis says.
type Dossiers struct {
	Path         string `json:"path"`          // "" for no synchronisation
	ProgressPath string `json:"progress_path"` // of progress items; Path by default, none for no such call
	Form         string `json:"form"`          // formEnvelope or formList
	Unit         string `json:"unit"`          // madonvi of the envelope; the system id by default
	Session      string `json:"session"`       // member of the envelope for the account's token, "" for none
	Service      string `json:"service"`       // name of the service for dossiers
	Progress     string `json:"progress"`      // name of the service for progress items
	Lookup       string `json:"lookup"`        // name of the service that finds a dossier; "" for none
	// Final are the codes of answers that come again however often a dossier is
	// sent: it is set aside at once.
	Final []string `json:"final"`
}

// fillDossiers checks the settings of dossiers and sets what is left open.
func (c *checked) fillDossiers(source dongbo.Source) (faults problem.List) {
	d := &c.Dossiers
	if d.Path == "" {
		return nil
	}
	if source == nil {
		faults = append(faults, problem.New(problem.Usage, "lgsp.no-dossiers", "dossiers.path", nil))
	}
	for _, s := range []struct {
		to        *string
		otherwise string
	}{
		{&d.ProgressPath, d.Path}, {&d.Form, formEnvelope}, {&d.Unit, c.SystemID}, {&d.Service, dongbo.ServiceDossier}, {&d.Progress, dongbo.ServiceProgress},
	} {
		if *s.to == "" {
			*s.to = s.otherwise
		}
	}
	fault := func(setting, value, want string) {
		faults = append(faults, connector.Fault("dossiers."+setting, value, want))
	}
	if !relative(d.Path) || d.Path == none {
		fault("path", d.Path, "v1/…")
	}
	if !relative(d.ProgressPath) {
		fault("progress_path", d.ProgressPath, "v1/…")
	}
	switch {
	case d.Form != formEnvelope && d.Form != formList:
		fault("form", d.Form, formEnvelope+", "+formList)
	case d.Form == formList && d.Lookup != "":
		fault("lookup", d.Lookup, formEnvelope)
	case d.Form == formList && d.ProgressPath == d.Path:
		fault("progress_path", d.ProgressPath, none)
	}
	if d.Session != "" && (c.Username == "" || slices.Contains([]string{memberService, memberUnit, memberUpdate, memberData, memberCode}, d.Session)) {
		fault("session", d.Session, "username")
	}
	if len(d.Final) > maxFinal {
		fault("final", number(len(d.Final)), "≤ "+number(maxFinal))
	}
	return faults
}

// relative reports whether a path of the settings stays below the axis.
func relative(p string) bool {
	u, err := url.Parse(p)
	return err == nil && !u.IsAbs() && u.Host == "" && !strings.Contains(u.Path, "..")
}

// TakesDossiers implements [connector.DossierTaker].
func (a *axis) TakesDossiers() bool { return a.axis.Dossiers.Path != "" }

// dossier brings a dossier to the axis as it stands.
func (a *axis) dossier(ctx context.Context, d connector.Delivery) error {
	err := dongbo.Courier{
		Source: a.env.Dossiers, Sender: portal{a.axis}, Ledger: a.state, Via: a.env.Name, Now: a.env.Now,
	}.Sync(ctx, d.Entry.Document)
	var own problem.List
	var r *declined
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &own), problem.From(err).Class == problem.NotFound:
		return connector.Permanent(err)
	case errors.As(err, &r) && (r.final || slices.Contains(a.axis.Dossiers.Final, r.code)):
		return connector.Permanent(err)
	case errors.Is(err, dongbo.ErrRefused):
		return d.Within(dossierLife, a.env.Now(), err)
	}
	return err
}

// Members of the envelope.
const (
	memberService = "service"
	memberUnit    = "madonvi"
	memberUpdate  = "isUpdating"
	memberData    = "data"
	memberCode    = "mahoso"
)

// portal is the axis as [dongbo.Sender].
type portal struct{ *client }

// updating is how the axis is told whether it has the dossier.
func updating(update bool) string {
	if update {
		return "True"
	}
	return "False"
}

// Send implements [dongbo.Sender].
func (p portal) Send(ctx context.Context, c dongbo.Call) error {
	path, service := p.Dossiers.Path, p.Dossiers.Service
	if c.Service == dongbo.ServiceProgress {
		path, service = p.Dossiers.ProgressPath, p.Dossiers.Progress
	}
	if path == none {
		return nil
	}
	r := request{method: http.MethodPost, path: path, kind: "application/json", key: c.Key}
	body := c.Data
	if p.Dossiers.Form == formList {
		if c.Service == dongbo.ServiceDossier {
			r.query = url.Values{memberUpdate: {updating(c.Update)}}
		}
	} else {
		members := map[string]any{memberService: service, memberUnit: p.Dossiers.Unit, memberData: json.RawMessage(c.Data)}
		if c.Service == dongbo.ServiceDossier {
			members[memberUpdate] = updating(c.Update)
		}
		var err error
		if body, err = p.envelope(ctx, members); err != nil {
			return err
		}
	}
	r.body, r.length = bytes.NewReader(body), int64(len(body))
	_, err := p.short(ctx, r)
	return answered(err)
}

// Has implements [dongbo.Sender].
func (p portal) Has(ctx context.Context, dossier string) (there, known bool, err error) {
	if p.Dossiers.Lookup == "" {
		return false, false, nil
	}
	body, err := p.envelope(ctx, map[string]any{memberService: p.Dossiers.Lookup, memberUnit: p.Dossiers.Unit, memberCode: dossier})
	if err != nil {
		return false, false, err
	}
	a, err := p.short(ctx, request{method: http.MethodPost, path: p.Dossiers.Path, kind: "application/json", body: bytes.NewReader(body), length: int64(len(body))})
	err = answered(err)
	switch {
	case errors.Is(err, dongbo.ErrRefused), errors.Is(err, errMissing):
		return false, false, nil // it has no such call
	case err != nil:
		return false, false, err
	}
	var found []json.RawMessage
	if len(a.Result) > 0 && json.Unmarshal(a.Result, &found) != nil {
		return false, false, nil // it does not say
	}
	return len(found) > 0, true, nil
}

// envelope writes members, with the account's token where one is wanted.
func (p portal) envelope(ctx context.Context, members map[string]any) ([]byte, error) {
	if p.Dossiers.Session != "" {
		token, err := p.login(ctx)
		if err != nil {
			return nil, err
		}
		members[p.Dossiers.Session] = token
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return buf.Bytes(), nil
}

// declined is an answer by which the axis will not take a dossier as it is.
type declined struct {
	code  string
	final bool
	p     *problem.Problem
}

func (d *declined) Error() string   { return d.p.Error() }
func (d *declined) Unwrap() []error { return []error{d.p, dongbo.ErrRefused} }

// answered is what an error of a call means for a dossier. The codes for
// credentials and faults of the axis mean what they do for documents.
func answered(err error) error {
	var r *refused
	var status httpStatus
	switch {
	case errors.As(err, &r):
		if slices.Contains([]string{codeCredentials, codeNoSender, codeAxis, codeProcessing}, r.code) {
			return err
		}
		return decline(r.code, r.text, r.code == codeBadFile && r.text == http.StatusText(http.StatusRequestEntityTooLarge))
	case errors.As(err, &status) && (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity):
		return decline("HTTP "+number(int(status)), http.StatusText(int(status)), true)
	}
	return err
}

func decline(code, words string, final bool) error {
	args := i18n.Args{"code": clean(code), "text": clean(words)}
	return &declined{code, final, problem.New(problem.Conflict, "lgsp.dossier", "", args)}
}

// Load implements [dongbo.Ledger].
func (s state) Load(ctx context.Context, id storage.ID) (p dongbo.Progress, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT begun, payload, steps_begun, steps, synced FROM dossiers WHERE dossier = ?`, id).
			Scan(&p.Begun, &p.Payload, &p.StepsBegun, &p.Steps, sqlite.Timestamp(&p.At))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return dongbo.Progress{}, nil
	}
	return p, err
}

// Save implements [dongbo.Ledger].
func (s state) Save(ctx context.Context, id storage.ID, code string, p dongbo.Progress) error {
	// What was acknowledged is kept also when the program ends.
	return s.db.Update(context.WithoutCancel(ctx), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO dossiers (dossier, code, begun, payload, steps_begun, steps, synced) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (dossier) DO UPDATE SET code = excluded.code, begun = excluded.begun, payload = excluded.payload,
			steps_begun = excluded.steps_begun, steps = excluded.steps, synced = excluded.synced`,
			id, code, p.Begun, p.Payload, p.StepsBegun, p.Steps, p.At)
		return err
	})
}
