package v1

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// FilingRequest is the body of fileDossier.
type FilingRequest struct {
	Procedure string      `json:"procedure"`
	Subject   string      `json:"subject"`
	Applicant Applicant   `json:"applicant"`
	Channel   string      `json:"channel"` // "" for online
	Copies    []int       `json:"copies"`  // of each paper; none: one of each that has a file
	Sets      int         `json:"sets"`
	Way       string      `json:"way"`
	Payments  []Payment   `json:"payments"`
	Files     []PaperFile `json:"files"`
	Reference string      `json:"reference"`
	FiledAt   *time.Time  `json:"filed_at"`
}

// Payment says that a fee was paid.
type Payment struct {
	Fee     *int   `json:"fee"` // its index
	Receipt string `json:"receipt"`
	Online  bool   `json:"online"`
}

// payment is what the store is handed; of no fee it is refused.
func (p Payment) payment() dossier.Payment {
	out := dossier.Payment{Fee: -1, Receipt: p.Receipt, Online: p.Online}
	if p.Fee != nil {
		out.Fee = *p.Fee
	}
	return out
}

// PaperFile names an upload that is a file of a dossier.
type PaperFile struct {
	Upload string `json:"upload"`
	Name   string `json:"name"`  // "" for that of the upload
	Paper  *int   `json:"paper"` // its index; none for a file of no paper
}

// SupplementRequest is the body of supplementDossier.
type SupplementRequest struct {
	Copies []int       `json:"copies"` // as then; none: those that there are, and one of each that has a file
	Files  []PaperFile `json:"files"`
	Note   string      `json:"note"`
}

// WithdrawalRequest is the body of askWithdrawal.
type WithdrawalRequest struct {
	Reason string `json:"reason"`
}

// fileDossier registers a dossier once for its Idempotency-Key, and once for its
// reference.
func (s *Server) fileDossier(c *call) error {
	var q FilingRequest
	raw, err := c.body(&q)
	if err != nil {
		return err
	}
	view, err := c.dossierView()
	if err != nil {
		return err
	}
	return c.once(q.Reference == "", sha256.Sum256(raw), func(keep keeper) (answer, error) {
		if there, ok, err := s.o.Dossiers.Filed(c.ctx(), c.app.Name, q.Reference); err != nil || ok {
			if err != nil {
				return answer{}, err
			}
			return dossierAnswer(http.StatusOK, view.acted(there))
		}
		f, err := c.filing(q)
		if err != nil {
			return answer{}, err
		}
		taken, files, err := s.papers(c, q.Files)
		if err != nil {
			return answer{}, err
		}
		defer taken.release()
		f.Files = files
		var a answer
		by := c.actor(dossier.Public)
		by.Also = kept(view, http.StatusCreated, keep, taken, &a)
		d, err := s.o.Dossiers.File(c.ctx(), f, by)
		if err != nil {
			return answer{}, err
		}
		if a.body == nil { // another call filed it meanwhile
			return dossierAnswer(http.StatusOK, view.acted(d))
		}
		taken.remove()
		return a, nil
	})
}

// kept is what belongs to an act: its uploads end with it, and its answer is kept.
func kept(view dossierView, status int, keep keeper, files *taken, a *answer) func(*sqlite.Tx, dossier.Dossier) error {
	return func(tx *sqlite.Tx, d dossier.Dossier) (err error) {
		if *a, err = dossierAnswer(status, view.acted(d)); err != nil {
			return err
		}
		if files != nil {
			if err := files.consume(tx); err != nil {
				return err
			}
		}
		if keep == nil {
			return nil
		}
		return keep(tx, *a)
	}
}

func dossierAnswer(status int, acted DossierActed) (answer, error) {
	body, err := encode(acted)
	a := answer{status: status, body: body}
	if status == http.StatusCreated {
		a.location = Base + "/dossiers/" + acted.ID
	}
	return a, err
}

// filing is what the store is handed, without the files.
func (c *call) filing(q FilingRequest) (f dossier.Filing, err error) {
	var faults problem.List
	if f.Procedure, err = code.ParseProcedure(q.Procedure); err != nil {
		p := *problem.From(err)
		p.Field = "procedure"
		faults.Note(&p)
	}
	if q.Channel == "" {
		q.Channel = channels[dossier.Online]
	}
	f.Channel, f.Way = numberOf(channels, q.Channel), dossier.Way(q.Way)
	if f.Channel == 0 {
		faults = append(faults, problem.New(problem.Usage, "dossier.channel", "channel", nil))
	}
	a := q.Applicant
	f.Applicant = dossier.Applicant{
		Kind: numberOf(applicantKinds, a.Kind), Name: a.Name, Number: a.Number, Address: a.Address, Phone: a.Phone, Email: a.Email, Agent: a.Agent,
	}
	f.Subject, f.Copies, f.Sets, f.Reference = q.Subject, copiesOf(nil, q.Copies, q.Files), q.Sets, q.Reference
	if q.FiledAt != nil {
		f.At = *q.FiledAt
	}
	for _, p := range q.Payments {
		f.Paid = append(f.Paid, p.payment())
	}
	return f, faults.Err()
}

// copiesOf is how many copies of each paper there are: as they were said, else as they
// were and one of each paper that has a file.
func copiesOf(have, said []int, files []PaperFile) []int {
	if len(said) > 0 {
		return said
	}
	for _, f := range files {
		if f.Paper == nil || *f.Paper < 0 || *f.Paper >= dossier.MaxPapers {
			continue
		}
		for len(have) <= *f.Paper {
			have = append(have, 0)
		}
		have[*f.Paper] = max(have[*f.Paper], 1)
	}
	return have
}

// papers opens the uploads that are files of a dossier.
func (s *Server) papers(c *call, list []PaperFile) (*taken, []dossier.Upload, error) {
	if len(list) > dossier.MaxFiles {
		return nil, nil, problem.New(problem.Usage, "dossier.files", "files", i18n.Args{"limit": dossier.MaxFiles})
	}
	names := make([]FileName, len(list))
	for i, f := range list {
		names[i] = FileName{Upload: f.Upload, Name: f.Name}
	}
	taken, err := s.uploads.take(c, names)
	if err != nil {
		return nil, nil, err
	}
	files := make([]dossier.Upload, len(list))
	for i, f := range taken.files {
		files[i] = dossier.Upload{Role: dossier.RolePaper, Paper: -1, Name: f.Name, Media: office.MediaType(f.Name), Body: f.Body}
		if p := list[i].Paper; p != nil {
			files[i].Paper = *p
		} else {
			files[i].Role = dossier.RoleOther
		}
	}
	return taken, files, nil
}

func (s *Server) supplementDossier(c *call) error {
	var q SupplementRequest
	return s.actOn(c, &q, dossier.Public, func(d dossier.Dossier, by dossier.Actor, seen int, files *papers) error {
		if len(q.Files)+len(q.Copies) == 0 && q.Note == "" {
			return problem.New(problem.Usage, "dossier.empty", "files", nil)
		}
		list, err := files.take(q.Files)
		if err != nil {
			return err
		}
		have := make([]int, len(d.Papers))
		for i, h := range d.Papers {
			have[i] = h.Copies
		}
		_, err = s.o.Dossiers.Supplement(c.ctx(), d.ID, copiesOf(have, q.Copies, q.Files), list, q.Note, by, seen)
		return err
	})
}

func (s *Server) payDossier(c *call) error {
	var q Payment
	return s.actOn(c, &q, dossier.Public, func(d dossier.Dossier, by dossier.Actor, seen int, _ *papers) error {
		_, err := s.o.Dossiers.Pay(c.ctx(), d.ID, q.payment(), by, seen)
		return err
	})
}

func (s *Server) askWithdrawal(c *call) error {
	var q WithdrawalRequest
	return s.actOn(c, &q, dossier.Public, func(d dossier.Dossier, by dossier.Actor, seen int, _ *papers) error {
		_, err := s.o.Dossiers.AskWithdrawal(c.ctx(), d.ID, q.Reason, by, seen)
		return err
	})
}

// papers are the uploads of one act.
type papers struct {
	c     *call
	taken *taken
}

// release gives uploads back that the act did not take.
func (p *papers) release() {
	if p.taken != nil {
		p.taken.release()
	}
}

func (p *papers) take(list []PaperFile) (files []dossier.Upload, err error) {
	p.taken, files, err = p.c.s.papers(p.c, list)
	return files, err
}

// onDossier reads what an act on a dossier brings: its body, with its digest, and the
// dossier in the address as the application sees it.
func (c *call) onDossier(body any) (sum [sha256.Size]byte, d dossier.Dossier, view dossierView, err error) {
	raw, err := c.body(body)
	if err != nil {
		return sum, d, view, err
	}
	if d, err = c.dossierNamed("id", c.r.PathValue("id")); err != nil {
		return sum, d, view, err
	}
	view, err = c.dossierView()
	return sha256.Sum256(raw), d, view, err
}

// actOn is what acts on a dossier share: who may see it, as it was seen, once for an
// Idempotency-Key, with its answer in the same transaction.
func (s *Server) actOn(c *call, body any, roles dossier.Role, do func(d dossier.Dossier, by dossier.Actor, seen int, files *papers) error) error {
	sum, d, view, err := c.onDossier(body)
	if err != nil {
		return err
	}
	return c.once(false, sum, func(keep keeper) (answer, error) {
		seen, err := c.seen(d)
		if err != nil {
			return answer{}, err
		}
		var a answer
		files := &papers{c: c}
		defer files.release()
		by := c.actor(roles)
		by.Also = func(tx *sqlite.Tx, d dossier.Dossier) error {
			return kept(view, http.StatusOK, keep, files.taken, &a)(tx, d)
		}
		if err := do(d, by, seen, files); err != nil {
			return answer{}, err
		}
		if a.body == nil {
			return answer{}, fmt.Errorf("dossier %s: nothing was done", d.ID)
		}
		if files.taken != nil {
			files.taken.remove()
		}
		return a, nil
	})
}

// seen is the version that the application saw, by its If-Match; 0 for whichever there
// is.
func (c *call) seen(d dossier.Dossier) (int, error) {
	header := c.r.Header.Get("If-Match")
	if header == "" {
		return 0, nil
	}
	body, err := c.encodedDossier(d)
	if err == nil && !matches(header, tagOf(body), false) {
		err = problem.New(problem.Conflict, "api.precondition", "If-Match", i18n.Args{"id": d.ID.String(), "state": d.Status.String()})
	}
	return d.Version, err
}
