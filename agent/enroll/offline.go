package enroll

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
)

// requestFile, in the pending folder, is the request whose answer is awaited by
// stick.
const requestFile = "request.json"

// OfflineRequest makes the request of an enrolment, to be carried to the hub by
// stick, for an office that has no line. What it returns is proven by a MAC
// with the invite's secret and holds neither that secret nor a private key.
// Asking again gives a request for the same keys. The hub's answer goes to
// OfflineResponse; a line that comes up before it serves as well. Problems are
// those of Enroll.
func OfflineRequest(o Options) ([]byte, Result, error) {
	o.defaults()
	path, err := FindInvite(o.Invite)
	if err != nil {
		return nil, Result{}, err
	}
	inv, raw, err := readInvite(path)
	if err != nil {
		return nil, Result{}, err
	}
	if err := CheckValidity(inv, o.Now()); err != nil {
		return nil, describe(inv, None), err
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return nil, Result{}, err
	}
	defer unlock()
	old, err := o.present(inv)
	if err != nil {
		return nil, Result{}, err
	}
	if old != nil && !o.Again {
		r, err := already(o.Dir)
		return nil, r, err
	}
	box, err := prepare(o.Dir, inv, raw, o.Hub, old)
	if err != nil {
		return nil, describe(inv, None), err
	}
	req, err := box.request(inv, o.Now(), o.Hub)
	if err != nil {
		return nil, describe(inv, Pending), err
	}
	body, err := req.Encode()
	if err != nil {
		return nil, describe(inv, Pending), fmt.Errorf("encode request: %w", err)
	}
	return body, describe(inv, Pending), keystore.Save(filepath.Join(box.folder, requestFile), body)
}

// OfflineResponse takes in the hub's answer to the last OfflineRequest. It is
// proven by the CA hash and the authority of the invite, as over a line.
// Problems: enroll.no-request, enroll.answer, data.locked.
func OfflineResponse(o Options, answer []byte) (Result, error) {
	o.defaults()
	unlock, err := lock(o.Dir)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	folder := pendingFolder(o.Dir)
	if identity.Exists(o.Dir) && !exists(folder) {
		return already(o.Dir)
	}
	body, err := keystore.Load(filepath.Join(folder, requestFile))
	if errors.Is(err, keystore.ErrNotFound) {
		return Result{}, problem.New(problem.BadInvite, "enroll.no-request", "response", i18n.Args{"dir": o.Dir})
	}
	if err != nil {
		return Result{}, identity.Explain(err, folder)
	}
	raw, err := keystore.Load(filepath.Join(folder, inviteFile))
	if err != nil {
		return Result{}, identity.Explain(err, folder)
	}
	inv, err := invite.Parse(raw)
	if err != nil {
		return Result{}, unreadable(err, inviteFile)
	}
	req, err := invite.DecodeRequest(body)
	if err != nil {
		return Result{}, identity.Explain(err, folder)
	}
	box, err := loadBox(o.Dir)
	if err != nil {
		return Result{}, err
	}
	a, err := invite.ParseAnswer(answer, inv.Authority.PublicKey)
	if err != nil {
		return describe(inv, Pending), problem.New(problem.BadSeal, "enroll.answer", "response", i18n.Args{"hub": inv.HubName}).Because(err)
	}
	id, err := box.identity(inv, req, a)
	if err != nil {
		return describe(inv, Pending), problem.New(problem.BadSeal, "enroll.answer", "response", i18n.Args{"hub": inv.HubName}).Because(err)
	}
	if err := box.publish(o.Dir, id, a.Cards); err != nil {
		return describe(inv, Pending), err
	}
	// How long the stick was on its way is not known: the hub's time is past.
	r := describe(inv, Enrolled)
	if late := a.Time.Sub(o.Now()); late > 0 {
		r.ClockOffset = late
	}
	o.Logger.Info("enrolled by stick", "office", inv.Code, "hub", a.Hub)
	return r, nil
}

// ReadAnswer reads an answer file that came by stick. Problem
// tram.unreadable-file.
func ReadAnswer(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > invite.MaxAnswer {
		err = fmt.Errorf("file has more than %d bytes", invite.MaxAnswer)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, problem.New(problem.Usage, "tram.unreadable-file", "response", i18n.Args{"file": path}).Because(err)
	}
	return data, nil
}
