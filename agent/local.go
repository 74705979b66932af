package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"tram/agent/api"
	"tram/agent/books"
	"tram/agent/command"
	"tram/agent/connector"
	"tram/agent/dossier"
	"tram/agent/enroll"
	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/sealbook"
	"tram/agent/search"
	"tram/agent/stick"
	"tram/agent/web/account"
	"tram/storage"
	"tram/storage/fsx"
	"tram/sync/usb"
)

// local is the interface behind the local socket.
func (a *Agent) local() http.Handler {
	mux := http.NewServeMux()
	stick.Routes(mux, a.log.With("part", "usb"), func() (usb.Station, error) {
		d := a.theDesk()
		if d == nil {
			return nil, identity.None(a.o.Dir)
		}
		return d.station()
	})
	sealbook.Routes(mux, a.log.With("part", "seals"), a.book)
	connector.Routes(mux, a.log.With("part", "connectors"), a.connectors)
	connector.AsideRoutes(mux, a.log.With("part", "connectors"), a.quarantine)
	dossier.Routes(mux, a.log.With("part", "dossiers"), a.oneStop)
	handling.Routes(mux, a.log.With("part", "handling"), a.handled)
	api.PaperRoutes(mux, a.log.With("part", "api"), a.o.Dir, a.paperBooks)
	search.Routes(mux, a.log.With("part", "search"), a.search)
	books.Routes(mux, a.log.With("part", "books"), a.registers)
	command.Routes(mux, a.log.With("part", "commands"), a.commanded)
	a.careRoutes(mux)
	a.enrolmentRoutes(mux)
	a.updateRoutes(mux)
	a.applicationRoutes(mux, a.log.With("part", "apps"))
	mux.Handle("/", api.New(api.Options{
		Documents: func() api.Documents {
			if d := a.theDesk(); d != nil {
				return d.office
			}
			return nil
		},
		Accounts: accounts{a},
		Status:   a.Status,
		Enroll:   a.enroll,
		LAN: func() api.LAN {
			if d := a.theDesk(); d != nil && d.lan != nil {
				return d.lan
			}
			return nil
		},
		Arriving: func() []api.Arriving {
			if d := a.theDesk(); d != nil {
				return d.arriving()
			}
			return nil
		},
		Bring: func(ctx context.Context, id storage.ID) error {
			if d := a.theDesk(); d != nil {
				return d.bring(ctx, id)
			}
			return identity.None(a.o.Dir)
		},
		First: func(ctx context.Context, id storage.ID) error {
			if d := a.theDesk(); d != nil {
				return d.First(ctx, id)
			}
			return identity.None(a.o.Dir)
		},
		Logger: a.log.With("part", "api"),
	}))
	return mux
}

// enrolmentRoutes are the calls about certificates and joining.
func (a *Agent) enrolmentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST "+api.RenewPath, api.Handle(a.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return a.Renew(r.Context())
	}))
	take := func(path string, do func(ctx context.Context, body []byte, again bool) (any, error)) {
		mux.HandleFunc("POST "+path, api.Handle(a.log, func(w http.ResponseWriter, r *http.Request) (any, error) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnrolment))
			if err != nil {
				return nil, problem.New(problem.Usage, "api.too-large", "", i18n.Args{"limit": maxEnrolment}).Because(err)
			}
			return do(r.Context(), body, r.URL.Query().Has("again"))
		}))
	}
	take(api.AgainPath, func(ctx context.Context, body []byte, _ bool) (any, error) { return a.accept(ctx, body, true) })
	take(api.RequestPath, func(_ context.Context, body []byte, again bool) (any, error) { return a.offlineRequest(body, again) })
	take(api.ResponsePath, func(_ context.Context, body []byte, _ bool) (any, error) { return a.offlineResponse(body) })
}

// maxEnrolment bounds an invite or an answer that is handed over, in bytes.
const maxEnrolment = 2 << 20

// offlineRequest makes the request that goes to the hub by stick.
func (a *Agent) offlineRequest(invite []byte, again bool) (api.Request, error) {
	defer a.visit()()
	path := filepath.Join(a.o.Dir, "received.moi")
	if err := fsx.WriteFile(path, invite, 0o600); err != nil {
		return api.Request{}, fmt.Errorf("keep invite: %w", err)
	}
	defer os.Remove(path)
	body, r, err := enroll.OfflineRequest(enroll.Options{Dir: a.o.Dir, Invite: path, Now: a.clock.Now, Again: again, Logger: a.log})
	return api.Request{State: string(r.State), Request: body}, err
}

// offlineResponse takes in the answer that came by stick.
func (a *Agent) offlineResponse(answer []byte) (api.Request, error) {
	defer a.visit()()
	again := a.theDesk() != nil
	r, err := enroll.OfflineResponse(enroll.Options{Dir: a.o.Dir, Now: a.clock.Now, Logger: a.log}, answer)
	if err == nil && r.State == enroll.Enrolled {
		a.clock.Heard(a.clock.Now().Add(r.ClockOffset))
		a.wake(again)
	}
	return api.Request{State: string(r.State)}, err
}

// wake has Run take up a new identity.
func (a *Agent) wake(again bool) {
	news := a.joined
	if again {
		news = a.rejoined
	}
	select {
	case news <- struct{}{}:
	default:
	}
}

func (a *Agent) enroll(ctx context.Context, invite []byte) (api.Status, error) {
	return a.accept(ctx, invite, false)
}

// accept keeps the invite in the data folder and tries it at once; again is for
// a box that is enrolled.
func (a *Agent) accept(ctx context.Context, invite []byte, again bool) (api.Status, error) {
	defer a.visit()()
	path := filepath.Join(a.o.Dir, "received.moi")
	if err := fsx.WriteFile(path, invite, 0o600); err != nil {
		return api.Status{}, fmt.Errorf("keep invite: %w", err)
	}
	defer os.Remove(path)
	joined, err := enroll.Enroll(ctx, enroll.Options{Dir: a.o.Dir, Invite: path, Now: a.clock.Now, Again: again, Logger: a.log})
	if err != nil {
		return api.Status{}, err
	}
	if joined.State == enroll.Enrolled {
		a.clock.Heard(a.clock.Now().Add(joined.ClockOffset))
	}
	if !again || joined.State == enroll.Enrolled {
		a.wake(again)
	}
	if again {
		return api.Status{State: string(joined.State), Office: office.Party{Code: joined.Code, Name: joined.Name}, Hub: joined.Hub}, nil
	}
	return a.Status(ctx)
}

// commandLine is who changes accounts over the local socket, in the audit log.
const commandLine = "tram"

// accounts manages sign-ins on behalf of the local interface.
type accounts struct{ a *Agent }

func (c accounts) store() (*account.Store, error) {
	if d := c.a.theDesk(); d != nil {
		return d.accounts, nil
	}
	return nil, identity.None(c.a.o.Dir)
}

func (c accounts) List(ctx context.Context) ([]api.Account, error) {
	s, err := c.store()
	if err != nil {
		return nil, err
	}
	users, err := s.Users(ctx)
	list := make([]api.Account, len(users))
	for i, u := range users {
		list[i] = api.Account{Name: u.Name, Display: u.Display, Role: string(u.Role), Closed: u.Disabled, Locked: u.Locked, Temporary: u.Temporary}
	}
	return list, err
}

func (c accounts) Create(ctx context.Context, n api.Account) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	_, err = s.CreateUser(ctx, account.NewUser{Name: n.Name, Display: n.Display, Role: account.Role(n.Role), Password: n.Password,
		Temporary: true, By: commandLine})
	return err
}

func (c accounts) SetPassword(ctx context.Context, name, password string) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	return s.SetPassword(ctx, commandLine, name, password)
}

func (c accounts) Change(ctx context.Context, name string, what api.AccountChange) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	switch what {
	case api.Unlock:
		return s.Unlock(ctx, commandLine, name)
	case api.CloseAccount, api.OpenAccount:
		return s.SetDisabled(ctx, commandLine, name, what == api.CloseAccount)
	}
	return s.EndAll(ctx, commandLine, name)
}
