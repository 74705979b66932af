package office

import (
	"context"
	"fmt"
	"io"
	"slices"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// ExportEdXML writes a document as one edXML message with its attachments
// inside: its header as it was sealed with the attachments put back, or the
// original byte for byte when that carries a signature. On an error what was
// written is to be thrown away.
func (o *Office) ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error {
	return o.exportEdXML(ctx, id, w, func(_ int64, message []byte) ([]byte, error) { return message, nil })
}

// ExportFor is ExportEdXML for the system behind a connector: of the recipients
// it has those alone that are reached through it. A signed original stays as it
// is.
func (o *Office) ExportFor(ctx context.Context, id storage.ID, via string, w io.Writer) error {
	return o.exportEdXML(ctx, id, w, func(seq int64, message []byte) ([]byte, error) {
		var codes []string
		err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
			codes, err = recipientsVia(tx, seq, via, nil)
			return err
		})
		if err != nil {
			return nil, err
		}
		return edxml.Addressed(message, func(code string) bool {
			return slices.ContainsFunc(codes, func(c string) bool { return registry.Key(c) == registry.Key(code) || o.isOutside(code, c) })
		})
	})
}

func (o *Office) exportEdXML(ctx context.Context, id storage.ID, w io.Writer, edit func(seq int64, message []byte) ([]byte, error)) error {
	var seq int64
	var head sealedHead
	var original blob.Content
	var signed bool
	var files []blob.Content
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err := getRow(tx, id)
		if err != nil {
			return err
		}
		seq = r.seq
		if r.cancelled() {
			return errCancelled()
		}
		if r.Medium == Paper {
			return errPaper("export.paper")
		}
		if original, signed, err = getOriginal(tx, r.seq); err != nil || signed {
			return err
		}
		if head, err = getHead(tx, r.seq); err != nil {
			return err
		}
		return eachAttachment(tx, r.seq, func(s stored) { files = append(files, s.content) })
	})
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	if signed {
		body, err := o.reader(ctx, original)
		if err != nil {
			return fmt.Errorf("export document: %w", err)
		}
		defer body.Close()
		_, err = io.Copy(w, body)
		return err
	}
	return o.rebuild(ctx, head, files, w, func(message []byte) ([]byte, error) { return edit(seq, message) })
}

// rebuild puts a message and its attachments together.
func (o *Office) rebuild(ctx context.Context, h sealedHead, files []blob.Content, w io.Writer, edit func([]byte) ([]byte, error)) error {
	unreadable := problem.New(problem.Conflict, "document.unreadable", "", nil)
	if !h.ok {
		return unreadable
	}
	raw, err := o.readHead(h)
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	head, err := seal.OpenHead(raw, identity.Pool(*o.issuers.Load()), o.now())
	if err != nil {
		return unreadable.Because(err)
	}
	places, err := edxml.Carried(head.Message)
	if err != nil {
		return unreadable.Because(err)
	}
	if len(files) == 0 || len(places) > 0 && len(places) != len(files) {
		return unreadable.Because(errMissing)
	}
	list := make([]edxml.Content, len(files))
	for i, c := range files {
		list[i] = edxml.Content{Plain: true, Open: func() (io.ReadCloser, error) { return o.reader(ctx, c) }}
	}
	message, err := edit(head.Message)
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	if err := edxml.Rebuild(w, message, list); err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	return nil
}
