package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/vgca"
)

// maxSignFile bounds a file on the signing page, bytes: it is read whole
// several times.
const maxSignFile = 100 << 20

// SignsView lists a person's files that are being signed.
type SignsView struct {
	Page
	Jobs    []SignJob
	MaxSize string
}

// SignJob is a file that is being signed.
type SignJob struct {
	vgca.Job
	Href, Bytes string
	Signed      []string // one line for each signature
}

// SignView is the page of one such file. Request is the message for the
// signing agent, "" until the person asks for a signature.
type SignView struct {
	Page
	Job            SignJob
	Methods        []Option
	Number, Date   string
	Agent, Request string
	Script         string // address
	MaxSize        string
}

func (s *site) signJob(v *visit, j vgca.Job) SignJob {
	view := SignJob{Job: j, Href: "/ky-so/" + j.ID, Bytes: formatSize(v.lang, j.Size)}
	for _, g := range j.Signatures {
		method := "signing.outside"
		if g.Method != "" {
			method = "signing.method." + string(g.Method)
		}
		view.Signed = append(view.Signed, joinDots(g.Signer, v.t(method), formatFull(g.At)))
	}
	return view
}

func (s *site) signList(ctx context.Context, v *visit) error {
	return s.showSigns(ctx, v, nil, http.StatusOK)
}

func (s *site) showSigns(ctx context.Context, v *visit, errs []FieldError, status int) error {
	view := SignsView{Page: s.page(ctx, v, v.t("signing.title"), "/gui"), MaxSize: formatSize(v.lang, min(s.Config.MaxFile, maxSignFile))}
	view.setErrors(v, errs)
	view.Path = "/ky-so"
	for _, j := range s.signing.List(v.session.User.Name) {
		view.Jobs = append(view.Jobs, s.signJob(v, j))
	}
	return s.render(v, "signs", view, status)
}

// oneFile reads a form with one file in it and gives the file to do.
func (s *site) oneFile(v *visit, do func(name string, r io.Reader) error) error {
	up, err := s.receive(v)
	defer up.remove(s.Logger)
	if err != nil {
		return err
	}
	if len(up.files) != 1 {
		return problem.New(problem.Usage, "signing.one-file", "files", nil)
	}
	f, err := os.Open(up.files[0].path)
	if err != nil {
		return fmt.Errorf("read upload: %w", err)
	}
	defer f.Close()
	return do(up.files[0].name, f)
}

func (s *site) signNew(ctx context.Context, v *visit) error {
	var job vgca.Job
	err := s.oneFile(v, func(name string, r io.Reader) (err error) {
		job, err = s.signing.Create(v.session.User.Name, name, r)
		return err
	})
	if p := problem.From(err); err != nil && p.Class != problem.Failed && p.Class != problem.Denied {
		return s.showSigns(ctx, v, v.fieldErrors(err), statusOf(p))
	}
	if err != nil {
		return err
	}
	v.redirect("/ky-so/" + job.ID)
	return nil
}

func (s *site) signOne(ctx context.Context, v *visit) error {
	return s.showSign(ctx, v, SignView{}, nil, http.StatusOK)
}

func (s *site) showSign(ctx context.Context, v *visit, view SignView, errs []FieldError, status int) error {
	job, err := s.signing.Get(v.session.User.Name, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	view.Page = s.page(ctx, v, v.t("signing.title"), "/gui")
	view.setErrors(v, errs)
	view.Job, view.Agent, view.Script = s.signJob(v, job), s.Config.SignAgent, s.some("sign.js")[0]
	view.Path, view.MaxSize = view.Job.Href, formatSize(v.lang, min(s.Config.MaxFile, maxSignFile))
	if view.Date == "" {
		view.Date = formatDay(v.now)
	}
	for _, m := range vgca.Methods {
		view.Methods = append(view.Methods, Option{Value: string(m), Text: v.t("signing.method." + string(m)), Chosen: string(m) == v.r.PostFormValue("method")})
	}
	return s.render(v, "sign", view, status)
}

// signCall makes the addresses for one signature and shows the page whose
// script calls the agent. That page alone may reach the agent.
func (s *site) signCall(ctx context.Context, v *visit) error {
	id := v.r.PathValue("id")
	fetch, deliver, err := s.signing.Begin(v.session.User.Name, id, vgca.Method(v.r.PostFormValue("method")))
	if p := problem.From(err); err != nil && p.Class == problem.Usage {
		return s.showSign(ctx, v, SignView{}, v.fieldErrors(err), statusOf(p))
	}
	if err != nil {
		return err
	}
	view := SignView{Number: strings.TrimSpace(v.r.PostFormValue("number")), Date: strings.TrimSpace(v.r.PostFormValue("date"))}
	base := "http://" + v.r.Host + "/ky/"
	if s.Config.Secure {
		base = "https://" + v.r.Host + "/ky/"
	}
	request, err := vgca.NewRequest(base+fetch, base+deliver, deliver, view.Number, view.Date)
	if err != nil {
		return fmt.Errorf("call signing agent: %w", err)
	}
	view.Request, v.Connect = string(request), s.Config.SignAgent
	return s.showSign(ctx, v, view, nil, http.StatusOK)
}

// signFile gives the file as it is now, to sign it outside or to keep it.
func (s *site) signFile(_ context.Context, v *visit) error {
	job, f, err := s.signing.Open(v.session.User.Name, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	defer f.Close()
	return s.sendFile(v, job, f)
}

// sendFile sends a file to keep, never to show: it is of somebody else's making.
func (s *site) sendFile(v *visit, job vgca.Job, f *os.File) error {
	h := v.w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": job.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read file to sign: %w", err)
	}
	http.ServeContent(v.w, v.r, "", info.ModTime(), f)
	return nil
}

// signBring takes the file that was signed outside.
func (s *site) signBring(ctx context.Context, v *visit) error {
	id := v.r.PathValue("id")
	err := s.oneFile(v, func(_ string, r io.Reader) error {
		_, err := s.signing.Bring(v.r.Context(), v.session.User.Name, id, r)
		return err
	})
	if p := problem.From(err); err != nil && p.Class != problem.Failed && p.Class != problem.Denied && p.Class != problem.NotFound {
		return s.showSign(ctx, v, SignView{}, v.fieldErrors(err), statusOf(p))
	}
	if err != nil {
		return err
	}
	v.redirect("/ky-so/" + id)
	return nil
}

func (s *site) signDrop(_ context.Context, v *visit) error {
	s.signing.Drop(v.session.User.Name, v.r.PathValue("id"))
	v.redirect("/ky-so")
	return nil
}

// agentFetch gives the file to the signing agent.
func (s *site) agentFetch(_ context.Context, v *visit) error {
	job, f, err := s.signing.Fetch(v.r.PathValue("token"))
	if err != nil {
		return s.answerAgent(v, err, "")
	}
	defer f.Close()
	return s.sendFile(v, job, f)
}

// agentDeliver takes the signed file from the signing agent: the first part of
// the form that is a file, whatever its name.
func (s *site) agentDeliver(_ context.Context, v *visit) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxSignFile+formOverhead)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return s.answerAgent(v, problem.New(problem.Usage, "web.send.not-a-form", "", nil).Because(err), "")
	}
	for range maxFields {
		part, err := parts.NextPart()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.Logger.Warn("signed file not received", "error", err)
			}
			break
		}
		if part.FileName() == "" {
			continue
		}
		job, err := s.signing.Deliver(v.r.Context(), v.r.PathValue("token"), part)
		return s.answerAgent(v, err, job.Name)
	}
	return s.answerAgent(v, problem.New(problem.Usage, "signing.one-file", "", nil), "")
}

// answerAgent tells the agent how it went, in words that it shows to the
// person.
func (s *site) answerAgent(v *visit, err error, name string) error {
	answer, status := vgca.Answer{Status: err == nil, FileName: name}, http.StatusOK
	if err != nil {
		p := problem.From(err)
		if p.Class == problem.Failed {
			s.Logger.Error("signing agent", "error", err)
		}
		answer.Message, status = p.Message(i18n.Vietnamese), statusOf(p)
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(status)
	return json.NewEncoder(v.w).Encode(answer)
}

// addSigned puts files from the signing page into the form of a new document.
// Those that are gone meanwhile are left out; the form shows what is there.
func (s *site) addSigned(v *visit, view *SendView, ids []string) {
	for _, id := range ids {
		if job, err := s.signing.Get(v.session.User.Name, id); err == nil && len(view.Signed) < vgca.MaxJobs {
			view.Signed = append(view.Signed, KeptFile{ID: id, Name: job.Name, Size: formatSize(v.lang, job.Size), Kept: true})
		}
	}
}

func (s *site) signedUpload(v *visit, k KeptFile) office.Upload {
	owner := v.session.User.Name
	return office.Upload{Name: k.Name, Body: &lazyReader{open: func() (io.ReadCloser, error) {
		_, f, err := s.signing.Open(owner, k.ID)
		return f, err
	}}}
}
