package agent

import (
	"tram/agent/connector"
	"tram/agent/dossier"
	"tram/agent/office"
	"tram/storage/sqlite"
)

// Office and DB let tests be another part of a running office.
func (a *Agent) Office() *office.Office { return a.theDesk().office }

func (a *Agent) DB() *sqlite.DB { return a.theDesk().db }

// Connectors lets tests join an office to other systems.
func (a *Agent) Connectors() *connector.Host { return a.theDesk().connectors }

// Dossiers lets tests act on one-stop dossiers as people do.
func (a *Agent) Dossiers() *dossier.Store { return a.theDesk().dossiers }
