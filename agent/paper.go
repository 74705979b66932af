package agent

import "tram/agent/api"

// paperBooks is where paper documents are entered, nil while the office is not
// enrolled.
func (a *Agent) paperBooks() api.Books {
	if d := a.theDesk(); d != nil {
		return d.office
	}
	return nil
}
