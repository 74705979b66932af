package ca

import (
	"io"

	"tram/agent/hub/registry"
)

// Limits of a list of offices to invite, hard.
const (
	MaxCSV     = 8 << 20 // bytes
	MaxOffices = 20_000
)

// Office is one line of a list of offices.
type Office struct {
	Code, Name, Parent, Kind string
	Line                     int // in the file, from 1
}

// ReadOffices reads a list of offices as registry.ReadList does, of which
// invites need the columns code, name, parent and kind.
func ReadOffices(r io.Reader) ([]Office, error) {
	list, err := registry.ReadList(r, MaxCSV, MaxOffices)
	if err != nil {
		return nil, err
	}
	offices := make([]Office, 0, len(list))
	for _, e := range list {
		offices = append(offices, Office{Code: e.Code, Name: e.Name, Parent: e.Parent, Kind: e.Kind, Line: e.Line})
	}
	return offices, nil
}
