package agent

import (
	"context"
	"path/filepath"

	"tram/agent/connector"
	"tram/agent/connector/hotfolder"
	"tram/agent/connector/lgsp"
	"tram/agent/connector/mail"
	"tram/agent/connector/webhook"
	"tram/agent/identity"
	"tram/agent/office"
)

// connectorDir holds the connectors' own folders, in the data folder.
const connectorDir = "connectors"

// kinds are the kinds of connectors that an office may have.
func kinds() []connector.Kind {
	return []connector.Kind{
		hotfolder.Kind(), lgsp.Kind(), mail.Kind(), webhook.Kind(),
	}
}

func (d *desk) openConnectors() {
	d.connectors = connector.New(connector.Options{
		DB: d.db, Dir: filepath.Join(d.o.Dir, connectorDir), Office: office.Party{Code: d.id.Code, Name: d.id.Name},
		Feed: everything{d.office}, Desk: d.office, Dossiers: d.dossiers.National(), Kinds: kinds(), Logger: d.log.With("part", "connectors"), Now: d.clock.Now,
	})
	d.office.Reach(d.connectors)
}

// everything is the office's feed with what happens to dossiers.
type everything struct{ *office.Office }

func (e everything) Feed(ctx context.Context, after string, limit int) (entries []office.Entry, next string, err error) {
	return e.FeedTo(ctx, office.Reading{Dossiers: true}, after, limit)
}

// quarantine gives the office of the running desk to the local socket.
func (a *Agent) quarantine() (connector.Quarantine, error) {
	if d := a.theDesk(); d != nil {
		return d.office, nil
	}
	return nil, identity.None(a.o.Dir)
}

// connectors gives the host of the running desk to the local socket.
func (a *Agent) connectors() (*connector.Host, error) {
	if d := a.theDesk(); d != nil {
		return d.connectors, nil
	}
	return nil, identity.None(a.o.Dir)
}
