package web

import (
	"context"
	"errors"
	"io"
	"strings"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// Import takes a text for a message: its first word says what comes of it.
func (f *fakeOffice) Import(ctx context.Context, h office.Handover) (office.Imported, error) {
	data, err := io.ReadAll(h.Body)
	if err = errors.Join(err, f.broken); err != nil {
		return office.Imported{}, err
	}
	word, subject, _ := strings.Cut(string(data), " ")
	done := office.Imported{Kind: office.KindDocument, Changed: true}
	switch word {
	case "odd":
		done.Warnings = []edxml.Warning{{Code: edxml.WarnCode, Field: "SteeringType", Value: "7"}}
	case "foreign":
		return office.Imported{}, problem.List{
			problem.New(problem.Usage, "import.not-ours", "From", i18n.Args{"code": "H40.99", "ours": us.Code}),
			problem.New(problem.Usage, "send.no-file", "files", nil),
		}
	case "secret":
		if !h.Cleared {
			return office.Imported{}, problem.List{problem.New(problem.Usage, "send.secret-mark", "subject", i18n.Args{"mark": "MẬT"})}
		}
	case "status":
		done.Kind, done.Code = office.KindStatus, edxml.StatusAccepted
		for _, d := range f.docs {
			if d.Box == office.In {
				done.Document = d
			}
		}
		return done, nil
	}
	done.Document, err = f.Send(ctx, office.Draft{Subject: subject, Number: "45", To: []string{"H40.SNV"}, By: h.By})
	return done, err
}

func (f *fakeOffice) ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error {
	if _, err := f.Get(ctx, id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "<edXML/>")
	return err
}
