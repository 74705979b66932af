package dossier

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestTheStepOfTheSpecification: the vector is read, and written again as it stands.
func TestTheStepOfTheSpecification(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "step.json"))
	noError(t, err)
	s, err := ReadStep(raw)
	noError(t, err)
	if s.Hand.Code.String() != "H40.12.7-261123-0001" || s.Hand.Task != Decide || len(s.Events) != 2 || s.Hand.Procedure.Limit.N != 3 {
		t.Fatalf("%+v", s)
	}
	again, err := json.MarshalIndent(s, "", "  ")
	noError(t, err)
	if !bytes.Equal(append(again, '\n'), raw) {
		t.Fatalf("written again:\n%s", again)
	}
	for name, spoil := range map[string]string{
		`"version": 1,`: `"version": 9,`, `"number": 1,`: `"number": 0,`, `"task": "decide"`: `"task": "eat"`, `"kind": 1`: `"kind": 7`, `"tram-dossier"`: `"other"`,
		`"name": "Nguyễn Văn An"`: `"name": " "`, `"sets": 1`: `"sets": 99`, `"code": "H40.12.7-261123-0001"`: `"code": "H40"`,
	} {
		if _, err := ReadStep(bytes.Replace(raw, []byte(name), []byte(spoil), 1)); err == nil {
			t.Errorf("%s is taken", spoil)
		}
	}
}
