package books

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
)

// Path is where the books are over the local socket, and printPath their prints.
const (
	Path      = "/v1/books"
	printPath = "/v1/book-prints"
)

// commandLine is who prints over the local socket, in the audit log.
const commandLine = "tram"

// Routes adds the calls of this package to a local socket. books gives the running
// books, or the problem why there are none.
func Routes(mux *http.ServeMux, log *slog.Logger, books func() (*Books, error)) {
	on := func(pattern string, do func(b *Books, w http.ResponseWriter, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(log, func(w http.ResponseWriter, r *http.Request) (any, error) {
			b, err := books()
			if err != nil {
				return nil, err
			}
			return do(b, w, r)
		}))
	}
	on("GET "+Path, func(b *Books, _ http.ResponseWriter, r *http.Request) (any, error) {
		year, err := number(r, "year", b.now().Year())
		if err != nil {
			return nil, err
		}
		return b.List(r.Context(), year)
	})
	on("POST "+Path+"/{kind}/print", func(b *Books, _ http.ResponseWriter, r *http.Request) (any, error) {
		year, err := number(r, "year", b.now().Year())
		if err != nil {
			return nil, err
		}
		return b.PrintOrGoOn(r.Context(), register.Kind(r.PathValue("kind")), year, commandLine)
	})
	on("GET "+Path+"/{kind}/file", func(b *Books, w http.ResponseWriter, r *http.Request) (any, error) {
		year, err := number(r, "year", b.now().Year())
		if err != nil {
			return nil, err
		}
		volume, err := number(r, "volume", 0)
		if err != nil {
			return nil, err
		}
		data, err := b.Export(r.Context(), register.Kind(r.PathValue("kind")), year, Selection{Volume: volume}, Format(r.URL.Query().Get("format")))
		if err == nil {
			_, err = w.Write(data)
		}
		return nil, err
	})
	on("GET "+printPath+"/{id}", func(b *Books, w http.ResponseWriter, r *http.Request) (any, error) {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // none has the number 0
		_, body, err := b.PDF(r.Context(), id)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		_, err = io.Copy(w, body)
		return nil, err
	})
	on("POST "+printPath+"/{id}/confirm", func(b *Books, _ http.ResponseWriter, r *http.Request) (any, error) {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
		return b.Confirm(r.Context(), id, commandLine)
	})
}

func number(r *http.Request, field string, otherwise int) (int, error) {
	text := r.URL.Query().Get(field)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, problem.New(problem.Usage, "api.bad-number", field, i18n.Args{"value": text[:min(len(text), 80)]})
	}
	return n, nil
}

// PrintOrGoOn is Print, or the print that is open: a program that was cut off
// between print and confirmation goes on with the same pages.
func (b *Books) PrintOrGoOn(ctx context.Context, kind register.Kind, year int, by string) (Job, error) {
	s, err := b.State(ctx, kind, year)
	if err != nil {
		return Job{}, err
	}
	if s.Open != nil {
		return *s.Open, nil
	}
	return b.Print(ctx, kind, year, by)
}

// Client asks a running office for its books over its local socket.
type Client struct{ *api.Client }

func query(year int, more ...string) string {
	v := url.Values{}
	if year != 0 {
		v.Set("year", strconv.Itoa(year))
	}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return "?" + v.Encode()
}

// List tells of all books of a year, 0 for the present one.
func (c Client) List(ctx context.Context, year int) (list []State, err error) {
	return list, c.Call(ctx, http.MethodGet, Path+query(year), nil, &list)
}

// Print makes a print of what is on no page, or gives the one that is open.
func (c Client) Print(ctx context.Context, kind register.Kind, year int) (j Job, err error) {
	return j, c.Call(ctx, http.MethodPost, Path+"/"+url.PathEscape(string(kind))+"/print"+query(year), nil, &j)
}

// File exports a book or list; the caller closes it.
func (c Client) File(ctx context.Context, kind register.Kind, year, volume int, format Format) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, Path+"/"+url.PathEscape(string(kind))+"/file"+query(year, "volume", strconv.Itoa(volume), "format", string(format)), nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// PDF opens the file of a print; the caller closes it.
func (c Client) PDF(ctx context.Context, id int64) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, fmt.Sprintf("%s/%d", printPath, id), nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Confirm says that the pages of a print are there.
func (c Client) Confirm(ctx context.Context, id int64) (j Job, err error) {
	return j, c.Call(ctx, http.MethodPost, fmt.Sprintf("%s/%d/confirm", printPath, id), nil, &j)
}
