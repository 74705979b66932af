package agent

import (
	"time"

	"tram/agent/docfields"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/search/extract"
	"tram/agent/web"
)

// memoryWait is how long the reading of a file for the search may wait for a machine
// that is short of memory. Then it is read all the same.
const memoryWait = 2 * time.Minute

// openSearch makes the index of the office's documents.
func (d *desk) openSearch() {
	o := search.Options{DB: d.db, Source: d.office, Logger: d.log.With("part", "search")}
	if d.o.Program != "" {
		o.Reader = extract.Process{Program: d.o.Program, Wait: memoryWait}
	}
	d.search = search.New(o)
}

// pageReader reads the first page of a file while somebody waits, nil when no
// program is there to do it.
func (d *desk) pageReader() search.Reader {
	if d.o.Program == "" {
		return nil
	}
	return extract.Process{Program: d.o.Program, Time: web.ReadTime, Text: docfields.MaxText}
}

// search gives the index of the running desk to the local socket.
func (a *Agent) search() (*search.Index, error) {
	if d := a.theDesk(); d != nil {
		return d.search, nil
	}
	return nil, identity.None(a.o.Dir)
}

// arrivingPages is what the hub is handing over, for the pages.
func (d *desk) arrivingPages() (list []web.Arriving) {
	for _, a := range d.arriving() {
		list = append(list, web.Arriving{ID: a.ID, From: a.From, Urgency: office.Urgency(a.Urgency), Size: a.Size, Here: a.Here, Held: a.Held})
	}
	return list
}
