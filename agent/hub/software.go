package hub

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"tram/agent/api"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/hub/software"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/keystore"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// softwareKey is the file of the province's software key beside the hub's others.
	softwareKey = "software.key"
	// softwareLook is how often the hub looks whether a ring may open.
	softwareLook = time.Minute
)

// runSoftware brings releases to those below, and tells the hub above, until ctx ends.
func (h *Hub) runSoftware(ctx context.Context) error {
	pause := h.o.PublishEvery // reports that come together are looked at together
	if pause <= 0 {
		pause = DefaultPublishEvery
	}
	for {
		if err := h.publishSoftware(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("software not published", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.updates:
		case <-time.After(softwareLook):
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (h *Hub) publishSoftware(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = h.releases.Publish(ctx, softwareCarrier{carrier{h}}); err != nil {
			return err
		}
	}
	if h.upstream.identity() == nil {
		return nil
	}
	here := release.Told{Version: h.o.Version, OS: runtime.GOOS, Arch: runtime.GOARCH}
	return h.db.Update(ctx, func(tx *sqlite.Tx) error {
		return h.releases.TellAbove(tx, here, func(payload []byte, before storage.ID) (storage.ID, error) {
			if before != (storage.ID{}) {
				if err := h.relay.Withdraw(tx, before, h.upstream.codes()[0]); err != nil {
					return storage.ID{}, err
				}
			}
			return h.relay.SendToldSoftware(tx, payload)
		})
	})
}

// softwareCarrier brings releases to neighbours.
type softwareCarrier struct{ carrier }

func (c softwareCarrier) Send(tx *sqlite.Tx, peers []string, key bundle.Key, objects []bundle.Object, contents []blob.Content) (id storage.ID, sent []string, err error) {
	var to []registry.Card
	for _, peer := range peers {
		card, err := c.h.registry.LookupTx(tx, peer)
		switch {
		case errors.Is(err, registry.ErrNotFound), err == nil && !c.h.ours(card):
			if err := c.h.releases.Forget(tx, peer); err != nil {
				return id, nil, err
			}
		case err != nil:
			return id, nil, err
		case card.Enrolled():
			to, sent = append(to, card), append(sent, peer)
		}
	}
	if len(to) == 0 {
		return id, nil, nil
	}
	id, err = c.h.relay.SendSoftware(tx, to, relay.Parcel{Key: key, Objects: objects, Contents: contents})
	return id, sent, err
}

// hearSoftware takes a report of a neighbour about its software.
func (h *Hub) hearSoftware(tx *sqlite.Tx, from registry.Card, head bundle.Header, payload []byte) error {
	err := h.releases.Heard(tx, from, head.Created, payload)
	if errors.Is(err, release.ErrMalformed) {
		return relay.Unreadable(err.Error())
	}
	tx.OnCommit(func() { kick(h.updates) })
	return err
}

// takeSoftware takes a release of the hub above, or the news of its plan.
func (h *Hub) takeSoftware(ctx context.Context, in relay.Software) (func(tx *sqlite.Tx) error, error) {
	id := h.upstream.identity()
	raw, err := readObject(in, 0, bundle.RoleRelease, release.MaxProof)
	if err != nil || id == nil {
		return nil, refusable(errors.Join(err, orNoHub(id)))
	}
	proof, err := release.DecodeProof(raw)
	if err != nil {
		return nil, refusable(err)
	}
	m, w, err := proof.Open(id.Trust.Authority.PublicKey)
	if err != nil {
		return nil, refusable(err)
	}
	last := len(in.Header.Objects) - 1
	raw, err = readObject(in, last, bundle.RolePlan, release.MaxPlan)
	if err != nil {
		return nil, refusable(err)
	}
	plan, err := release.ParsePlan(raw)
	if err != nil || plan.Serial != m.Serial {
		return nil, relay.Unreadable(fmt.Sprintf("plan of another release: %v", err))
	}
	var kept *software.Kept
	switch programs := last - 1; {
	case programs == len(m.Files):
		k, err := h.releases.Keep(m, proof.Release, func(i int) (io.ReadCloser, error) { return in.Object(1+i, m.Files[i].Size) })
		if err != nil {
			return nil, refusable(err)
		}
		kept = &k
	case programs > 0:
		return nil, relay.Unreadable(fmt.Sprintf("%d programs of %d", programs, len(m.Files)))
	default:
		has, err := h.releases.Has(ctx, m.Serial)
		if err != nil {
			return nil, err
		}
		if !has && time.Since(in.Header.Created) < strangerPatience {
			return nil, fmt.Errorf("the plan of release %s is here before its programs", m.Version)
		}
		if !has {
			return nil, relay.Unreadable("the plan of a release that is not here")
		}
	}
	return func(tx *sqlite.Tx) error {
		tx.OnCommit(func() { kick(h.updates) })
		if _, err := h.releases.Trust(tx, w.Key, w.Serial); err != nil {
			return refusable(err)
		}
		return h.releases.TakeAbove(tx, in.Peer, kept, plan)
	}, nil
}

func orNoHub(id *identity.Identity) error {
	if id == nil {
		return fmt.Errorf("%w: there is no hub above", release.ErrSignature)
	}
	return nil
}

// refusable tells what will never be right from what may pass.
func refusable(err error) error {
	for _, never := range []error{release.ErrMalformed, release.ErrSignature, release.ErrProgram, bundle.ErrMalformed, bundle.ErrTooLarge, bundle.ErrKey} {
		if errors.Is(err, never) {
			return relay.Unreadable(err.Error())
		}
	}
	return err
}

func readObject(in relay.Software, i int, role bundle.Role, limit int64) ([]byte, error) {
	if i < 0 || i >= len(in.Header.Objects) || in.Header.Objects[i].Role != role {
		return nil, fmt.Errorf("%w: no object of role %s at %d", release.ErrMalformed, role, i)
	}
	body, err := in.Object(i, limit)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// Software is the releases of the hub.
func (h *Hub) Software() *software.Software { return h.releases }

// softwareAdmin makes a change of an operator and has it take effect.
func (h *Hub) softwareAdmin(r software.Release, err error) (software.Release, error) {
	kick(h.updates)
	return r, err
}

// StageSoftware has a release go to a ring, see [software.Software.Stage]; the others
// pause, resume and withdraw one.
func (h *Hub) StageSoftware(ctx context.Context, q software.Stage, by string) (software.Release, error) {
	if err := h.knows(q.Offices); err != nil {
		return software.Release{}, err
	}
	return h.softwareAdmin(h.releases.Stage(ctx, q, by))
}

// knows tells which of the offices to be named there is not. Problem hub.no-office.
func (h *Hub) knows(offices []string) error {
	for _, code := range offices {
		if _, err := h.registry.Lookup(code); errors.Is(err, registry.ErrNotFound) {
			return problem.New(problem.NotFound, "hub.no-office", "--office", i18n.Args{"code": code})
		} else if err != nil {
			return err
		}
	}
	return nil
}

// PauseSoftware has a release go no further, or ends that.
func (h *Hub) PauseSoftware(ctx context.Context, version, by string, pause bool) (software.Release, error) {
	return h.softwareAdmin(h.releases.Pause(ctx, version, by, pause))
}

// WithdrawSoftware ends a release.
func (h *Hub) WithdrawSoftware(ctx context.Context, version, by string) (software.Release, error) {
	return h.softwareAdmin(h.releases.Withdraw(ctx, version, by))
}

// AddSoftware signs the programs of a new release, which lie in files, with the
// province's software key, and takes it in. Version, channel, notes and the like are
// of m; its serial, time and files are made here.
func (h *Hub) AddSoftware(ctx context.Context, m release.Manifest, files []string, by string) (software.Release, error) {
	if h.upstream.identity() != nil {
		return software.Release{}, problem.New(problem.Conflict, "software.above-signs", "", i18n.Args{"hub": h.upstream.codes()[0]})
	}
	paths, err := describe(&m, files)
	if err != nil {
		return software.Release{}, err
	}
	return h.PutSoftware(ctx, m, func(i int) (io.ReadCloser, error) { return os.Open(paths[i]) }, by)
}

// PutSoftware is [Hub.AddSoftware] of programs that open gives, by their place in the
// manifest.
func (h *Hub) PutSoftware(ctx context.Context, m release.Manifest, open func(i int) (io.ReadCloser, error), by string) (software.Release, error) {
	var err error
	if m.Serial, err = h.releases.NextSerial(ctx); err != nil {
		return software.Release{}, err
	}
	m.Created = time.Now()
	key, err := h.softwareKey(ctx)
	if err != nil {
		return software.Release{}, err
	}
	signed, err := release.Sign(m, key)
	if err != nil {
		return software.Release{}, problem.New(problem.Usage, "software.manifest", "", i18n.Args{"why": err.Error()}).Because(err)
	}
	if m, err = release.Open(signed, &key.PublicKey); err != nil {
		return software.Release{}, err
	}
	k, err := h.releases.Keep(m, signed, open)
	if err != nil {
		return software.Release{}, err
	}
	return h.softwareAdmin(h.releases.Add(ctx, k, by))
}

// softwareKey is the province's software key, made when there is none.
func (h *Hub) softwareKey(ctx context.Context) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(h.o.Dir, identity.Folder, softwareKey)
	signer, err := keystore.LoadKey(path)
	if errors.Is(err, storage.ErrNotFound) {
		if signer, err = newSoftwareKey(); err == nil {
			err = keystore.SaveKey(path, signer)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("software key: %w", err)
	}
	key, ok := signer.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("software key: %s holds a key of another kind", path)
	}
	return key, h.releases.TrustOwn(ctx, &key.PublicKey)
}

// WriteSoftware writes the file in which a release comes by stick: what an office of
// this hub takes with `tram update from`.
func (h *Hub) WriteSoftware(ctx context.Context, version string, w io.Writer) error {
	return h.releases.Write(ctx, version, w)
}

// SoftwarePath is the path of the local interface about software. GET lists, or shows
// ?version=, or the offices with ?offices; POST adds, stages, pauses and so on.
const SoftwarePath = "/v1/software"

// SoftwareFilePath gives the file of ?version=.
const SoftwareFilePath = "/v1/software/file"

// SoftwareRequest is what an operator wants. Files are paths on the hub's machine.
type SoftwareRequest struct {
	Do       string         `json:"do"` // "add", "stage", "pause", "resume", "withdraw"
	Version  string         `json:"version"`
	Stage    software.Stage `json:"stage"`
	Files    []string       `json:"files"`
	Channel  string         `json:"channel"`
	After    string         `json:"after"`
	RollBack bool           `json:"roll_back"`
	NotesVI  string         `json:"notes_vi"`
	NotesEN  string         `json:"notes_en"`
}

// DoSoftware does what an operator wants.
func (h *Hub) DoSoftware(ctx context.Context, q SoftwareRequest, by string) (software.Release, error) {
	switch q.Do {
	case "add":
		m, err := q.manifest()
		if err != nil {
			return software.Release{}, err
		}
		return h.AddSoftware(ctx, m, q.Files, by)
	case "stage":
		return h.StageSoftware(ctx, q.Stage, by)
	case "pause", "resume":
		return h.PauseSoftware(ctx, q.Version, by, q.Do == "pause")
	case "withdraw":
		return h.WithdrawSoftware(ctx, q.Version, by)
	}
	return software.Release{}, problem.New(problem.Usage, "software.unknown-act", "do", i18n.Args{"value": q.Do})
}

func (q SoftwareRequest) manifest() (m release.Manifest, err error) {
	var faults problem.List
	read := func(text, field string) (v release.Version) {
		v, err := release.ParseVersion(text)
		if err != nil {
			faults.Note(problem.New(problem.Usage, "software.version", field, i18n.Args{"value": text}).Because(err))
		}
		return v
	}
	m = release.Manifest{Channel: release.Channel(q.Channel), RollBack: q.RollBack, NotesVI: q.NotesVI, NotesEN: q.NotesEN}
	m.Version = read(q.Version, "--version")
	if q.After != "" {
		m.After = read(q.After, "--after")
	}
	return m, faults.Err()
}

// maxSoftwareRequest bounds a SoftwareRequest, in bytes.
const maxSoftwareRequest = 128 << 10

// softwareRoutes are the calls of `tram-hub software`.
func (h *Hub) softwareRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+SoftwarePath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		switch q := r.URL.Query(); {
		case q.Has("offices"):
			return h.releases.Offices(r.Context())
		case q.Get("version") != "":
			return h.releases.Show(r.Context(), q.Get("version"))
		}
		return h.releases.List(r.Context())
	}))
	mux.HandleFunc("GET "+SoftwareFilePath, func(w http.ResponseWriter, r *http.Request) {
		version := r.URL.Query().Get("version")
		if _, err := h.releases.Show(r.Context(), version); err != nil {
			api.Handle(h.log, func(http.ResponseWriter, *http.Request) (any, error) { return nil, err })(w, r)
			return
		}
		if err := h.WriteSoftware(r.Context(), version, w); err != nil {
			h.log.Error("release not given out", "version", version, "error", err)
			panic(http.ErrAbortHandler) // the other side must not take it for whole
		}
	})
	post(mux, h, SoftwarePath, maxSoftwareRequest, func(ctx context.Context, q SoftwareRequest) (any, error) {
		return h.DoSoftware(ctx, q, "cli")
	})
}
