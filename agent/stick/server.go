package stick

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/usb"
)

// maxCall bounds a call with a package in it, in bytes of JSON: manifest and
// letters at their limits, as Base64.
const maxCall = (usb.MaxLetters+bundle.MaxHeader)*4/3 + 4<<10

// maxRest is how much of a refused upload is read to its end, in bytes. Callers
// send less in one call.
const maxRest = 64 << 20

// readSize is how many bytes of an object are read from the store at once.
const readSize = 256 << 10

// Bodies of the calls. They are between a program and its own commands.
type (
	signRequest struct {
		To      string     `json:"to"`
		Letters usb.File   `json:"letters"`
		Objects []usb.File `json:"objects"`
	}
	signAnswer struct {
		Manifest []byte `json:"manifest"`
	}
	offerRequest struct {
		Peer   string     `json:"peer"`
		Letter usb.Letter `json:"letter"`
	}
	writeAnswer struct {
		Durable int64 `json:"durable"`
	}
	finishRequest struct {
		Package usb.Package `json:"package"`
		Whole   bool        `json:"whole"`
	}
)

type server struct {
	station func() (usb.Station, error)
}

// Routes adds the calls of a station to those of a local socket. station may
// say why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, station func() (usb.Station, error)) {
	s := server{station}
	for pattern, f := range map[string]func(usb.Station, http.ResponseWriter, *http.Request) (any, error){
		"GET /v1/usb/outgoing":             s.outgoing,
		"GET /v1/usb/objects/{id}/{index}": s.read,
		"PUT /v1/usb/objects/{id}/{index}": s.write,
		"POST /v1/usb/sign":                s.sign,
		"POST /v1/usb/check":               s.check,
		"POST /v1/usb/offer":               s.offer,
		"POST /v1/usb/finish":              s.finish,
	} {
		mux.HandleFunc(pattern, api.Handle(log, func(w http.ResponseWriter, r *http.Request) (any, error) {
			st, err := s.station()
			if err != nil {
				return nil, err
			}
			value, err := f(st, w, r)
			return value, Explain(err)
		}))
	}
}

func (s server) outgoing(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	return st.Outgoing(r.Context(), r.URL.Query().Get("to"))
}

// object reads which object a call is about, and from which byte.
func object(r *http.Request) (id storage.ID, index int, off int64, err error) {
	id, err = uuid.Parse(r.PathValue("id"))
	if err == nil {
		index, err = strconv.Atoi(r.PathValue("index"))
	}
	if err == nil {
		off, err = strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	}
	if err != nil || off < 0 {
		err = problem.New(problem.Usage, "api.bad-number", "offset", i18n.Args{"value": r.URL.String()}).Because(err)
	}
	return id, index, off, err
}

// read streams an object. An error after the first byte can only cut the answer
// short, which shows by its digest.
func (s server) read(st usb.Station, w http.ResponseWriter, r *http.Request) (any, error) {
	id, index, off, err := object(r)
	if err != nil {
		return nil, err
	}
	body, err := st.Read(r.Context(), id, index, off)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	// Bare, so that the buffer is used and the store asked less often.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{body}, make([]byte, readSize)); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

func (s server) write(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	id, index, off, err := object(r)
	if err != nil {
		return nil, err
	}
	durable, err := st.Write(r.Context(), id, index, off, r.Body)
	if err != nil { // a caller that still sends would not see the answer
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxRest))
	}
	return writeAnswer{durable}, err
}

func (s server) sign(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	var req signRequest
	if err := api.ReadJSONWithin(r.Body, maxCall, &req); err != nil {
		return nil, err
	}
	raw, err := st.Sign(r.Context(), req.To, req.Letters, req.Objects)
	return signAnswer{raw}, err
}

func (s server) check(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	var req usb.Package
	if err := api.ReadJSONWithin(r.Body, maxCall, &req); err != nil {
		return nil, err
	}
	return st.Check(r.Context(), req)
}

func (s server) offer(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	var req offerRequest
	if err := api.ReadJSON(r.Body, &req); err != nil {
		return nil, err
	}
	return st.Offer(r.Context(), req.Peer, req.Letter)
}

func (s server) finish(st usb.Station, _ http.ResponseWriter, r *http.Request) (any, error) {
	var req finishRequest
	if err := api.ReadJSONWithin(r.Body, maxCall, &req); err != nil {
		return nil, err
	}
	return struct{}{}, st.Finish(r.Context(), req.Package, req.Whole)
}
