package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"tram/agent/office"
	"tram/storage"
)

func (s *server) container(w http.ResponseWriter, r *http.Request) (any, error) {
	return s.export(w, r, "application/vnd.etsi.asic-e+zip", Documents.Export)
}

func (s *server) exportEdXML(w http.ResponseWriter, r *http.Request) (any, error) {
	return s.export(w, r, "application/xml", Documents.ExportEdXML)
}

// export streams a document in one of its forms. An error after the first byte
// can only cut the answer short, which the client notices by the missing last
// chunk.
func (s *server) export(w http.ResponseWriter, r *http.Request, media string, write func(Documents, context.Context, storage.ID, io.Writer) error) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	started := &firstWrite{w: w, media: media}
	if err := write(d, r.Context(), id, started); err != nil {
		if started.done {
			s.o.Logger.Error("export broke off", "id", id, "error", err)
			panic(http.ErrAbortHandler)
		}
		return nil, err
	}
	return nil, nil
}

type firstWrite struct {
	w     http.ResponseWriter
	media string
	done  bool
}

func (f *firstWrite) Write(p []byte) (int, error) {
	if !f.done {
		f.done = true
		f.w.Header().Set("Content-Type", f.media)
	}
	return f.w.Write(p)
}

// importEdXML takes one edXML message, the body, over.
func (s *server) importEdXML(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := s.documents()
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	done, err := d.Import(r.Context(), office.Handover{
		Body: r.Body, Name: q.Get("name"), Cleared: q.Get("cleared") == "true", Try: q.Get("try") == "true", By: q.Get("by"),
	})
	if err != nil {
		// Read to its end, or the caller may find the line cut before the answer.
		if _, cut := io.Copy(io.Discard, r.Body); cut != nil {
			s.o.Logger.Info("rest of a refused message not read", "error", cut)
		}
		return nil, err
	}
	return done, nil
}

// Import hands an edXML message over: a document to be sent, or a status. Its
// body is read once, and not any more when Import has returned.
func (c *Client) Import(ctx context.Context, h office.Handover) (office.Imported, error) {
	var done office.Imported
	q := url.Values{"name": {h.Name}, "by": {h.By}}
	for name, set := range map[string]bool{"cleared": h.Cleared, "try": h.Try} {
		if set {
			q.Set(name, "true")
		}
	}
	pr, pw := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := io.Copy(pw, h.Body)
		pw.CloseWithError(err)
	}()
	resp, err := c.Do(ctx, http.MethodPost, "/v1/import?"+q.Encode(), pr, "application/xml")
	pr.Close()
	<-written
	if err != nil {
		return done, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&done); err != nil {
		return done, fmt.Errorf("decode answer: %w", err)
	}
	return done, nil
}

// EdXML streams the document as an edXML message with its attachments inside.
// The caller closes it.
func (c *Client) EdXML(ctx context.Context, id storage.ID) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, "/v1/documents/"+id.String()+"/edxml", nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
