package sample

import (
	"testing"
	"time"

	"tram/agent/dossier"
)

func TestTheSampleCatalogueIsOneAndHasWhatTheSamplesAskFor(t *testing.T) {
	c, err := dossier.ReadCatalogue(Procedures)
	if err != nil {
		t.Fatal(err)
	}
	papers := map[string]int{}
	for _, p := range c.Procedures {
		papers[p.Code.String()] = len(p.Papers)
	}
	list := Dossiers(time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC))
	if len(list) < 12 || len(c.Procedures) != 6 {
		t.Errorf("%d dossiers, %d procedures", len(list), len(c.Procedures))
	}
	for _, d := range list {
		if n, ok := papers[d.Procedure.String()]; !ok || n != len(d.Copies) {
			t.Errorf("%s of %s: %d copies of %d papers", d.Procedure, d.Applicant.Name, len(d.Copies), n)
		}
	}
}
