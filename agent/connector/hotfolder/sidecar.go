package hotfolder

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

// maxSidecar bounds a sidecar, bytes.
const maxSidecar = 256 << 10

// sidecar says to whom plain files go, and as what.
type sidecar struct {
	To             []string `json:"to"`
	Subject        string   `json:"subject"`
	Urgency        string   `json:"urgency"` // word of config.Urgencies, "" for the first
	Type           string   `json:"type"`
	Number         string   `json:"number"`
	Notation       string   `json:"notation"`
	Date           string   `json:"date"`
	Signer         string   `json:"signer"`
	Position       string   `json:"position"`
	Content        string   `json:"content"`
	Classification string   `json:"classification"`
	Copied         bool     `json:"copied"`
	Files          []named  `json:"files"` // none: the file that the sidecar is named after
}

// named is a file that a sidecar names.
type named struct {
	Name   string `json:"name"`
	Size   *int64 `json:"size"`   // nil: not said
	SHA256 string `json:"sha256"` // hex; "": not said
}

// decodeSidecar reads a sidecar. own is its file's name.
func decodeSidecar(data []byte, own string) (*sidecar, error) {
	fault := func(code string, args i18n.Args) error {
		return problem.New(problem.Usage, code, "", args)
	}
	if len(data) > maxSidecar {
		return nil, fault("hotfolder.sidecar-large", i18n.Args{"limit": maxSidecar >> 10})
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, fault("hotfolder.sidecar-encoding", nil)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	s := &sidecar{}
	err := d.Decode(s)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one object")
		}
	}
	if err != nil {
		return nil, problem.New(problem.Usage, "hotfolder.sidecar", "", i18n.Args{"why": err.Error()}).Because(err)
	}
	var faults problem.List
	if s.Urgency != "" && !slices.Contains(config.Urgencies, s.Urgency) {
		faults = append(faults, problem.New(problem.Usage, "hotfolder.sidecar-urgency", "urgency", i18n.Args{
			"urgency": shown(s.Urgency), "words": strings.Join(config.Urgencies, ", "),
		}))
	}
	if len(s.Files) == 0 {
		s.Files = []named{{Name: own[:len(own)-len(sidecarExt)]}}
	}
	faults = append(faults, s.checkFiles()...)
	return s, faults.Err()
}

func (s *sidecar) checkFiles() (faults problem.List) {
	if len(s.Files) > office.MaxFiles {
		return problem.List{problem.New(problem.Usage, "send.too-many-files", "files", i18n.Args{"limit": office.MaxFiles, "have": len(s.Files)})}
	}
	names := map[string]bool{}
	for _, f := range s.Files {
		args := i18n.Args{"file": shown(f.Name)}
		key := strings.ToLower(norm.NFC.String(f.Name))
		switch sum, err := hex.DecodeString(f.SHA256); {
		case f.Name == "", strings.ContainsAny(f.Name, `/\`), strings.ContainsRune(f.Name, 0), roleOf(f.Name) != plainFile:
			faults = append(faults, problem.New(problem.Usage, "hotfolder.sidecar-name", "files", args))
		case names[key]:
			faults = append(faults, problem.New(problem.Usage, "hotfolder.sidecar-twice", "files", args))
		case f.Size != nil && *f.Size < 0, f.SHA256 != "" && (err != nil || len(sum) != 32):
			faults = append(faults, problem.New(problem.Usage, "hotfolder.sidecar-sum", "files", args))
		}
		names[key] = true
	}
	return faults
}

// agrees reports whether a file is what the sidecar says of it.
func (n named) agrees(s *sighting) bool {
	return (n.Size == nil || *n.Size == s.size) && (n.SHA256 == "" || strings.EqualFold(n.SHA256, hex.EncodeToString(s.digest[:])))
}

// draft is what the office sends; the files are still missing.
func (s *sidecar) draft() office.Draft {
	return office.Draft{
		To: s.To, Subject: s.Subject, Urgency: office.Urgency(max(0, slices.Index(config.Urgencies, s.Urgency))), Type: s.Type,
		Number: s.Number, Notation: s.Notation, Date: s.Date, Signer: s.Signer, Position: s.Position, Content: s.Content,
		Classification: s.Classification, Copied: s.Copied,
	}
}

// shown is foreign text as a reason may hold it.
func shown(text string) string {
	const most = 120
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	return cutBytes(text, most)
}
