package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tram/agent/enroll"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/problem"
	"tram/agent/sealbook"
	"tram/storage/keystore"
)

// identify reads the identity, for the checks that need one.
func (e *exam) identify() {
	if id, err := identity.Load(e.o.Dir); err == nil {
		e.id = id
	}
}

// identity tells whether there is one, and whether it is whole.
func (e *exam) identity(context.Context) {
	switch {
	case e.denied:
		e.unseen("identity", unseenDenied, nil)
		return
	case e.id != nil:
		e.good("identity", i18n.Args{"code": e.id.Code, "office": e.id.Name, "hub": e.id.Hub})
		return
	case !identity.Exists(e.o.Dir):
		e.joining()
		return
	}
	_, err := identity.Load(e.o.Dir)
	args := i18n.Args{"why": cause(err), "file": ""}
	switch {
	case errors.Is(err, keystore.ErrPermissions):
		e.unseen("identity", unseenOpen, nil)
	case errors.Is(err, fs.ErrPermission):
		e.unseen("identity", unseenDenied, nil)
	case errors.Is(err, keystore.ErrNotFound):
		args["file"] = e.firstMissing()
		e.fail("identity", KeyMissing, args)
	case errors.Is(err, identity.ErrMismatch):
		e.fail("identity", KeyMismatch, args)
	case errors.Is(err, identity.ErrIssuer):
		e.fail("identity", CAMismatch, args)
	default:
		e.fail("identity", IdentityDamaged, args)
	}
}

// unseenOpen is why an identity is not read whose keys others may read.
const unseenOpen = "unseen-open"

// firstMissing is the first file that a key folder lacks.
func (e *exam) firstMissing() string {
	for _, name := range []string{
		identity.DeviceKeyFile, identity.DeviceCertFile, identity.SealKeyFile, identity.SealCertFile, identity.AgeFile, identity.CardFile,
	} {
		if _, err := os.Stat(e.path(identity.Folder, name)); errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(identity.Folder, name)
		}
	}
	return identity.Folder
}

// joining tells how far a box without an identity is.
func (e *exam) joining() {
	r, err := enroll.Status(e.o.Dir)
	args := i18n.Args{"code": r.Code, "office": r.Name, "hub": r.Hub}
	switch {
	case err != nil:
		e.fail("identity", IdentityDamaged, i18n.Args{"why": cause(err)})
	case r.State == enroll.Pending:
		e.warn("identity", InvitePending, args)
	case r.State == enroll.Waiting:
		args["why"] = i18n.Say("problem."+r.Why.Code, r.Why.Args)
		e.warn("identity", InviteWaiting, args)
	default:
		e.warn("identity", NotEnrolled, nil)
	}
}

// certificates looks at the dates of the device certificate. A running service
// knows besides what its hub says of it.
func (e *exam) certificates(context.Context) {
	if e.id == nil {
		return
	}
	now, cert := e.now(), e.id.DeviceCert
	if now.Before(cert.NotBefore) {
		e.fail("certificates", NotYetValid, i18n.Args{"date": cert.NotBefore.Local().Format("15:04 02/01/2006")})
	}
	for _, c := range health.Check(health.Vitals{Now: now, DiskFree: 1, ClockTrusted: true, CertificateEnds: cert.NotAfter, CertificateLife: cert.NotAfter.Sub(cert.NotBefore)}) {
		e.condition("certificates", c)
	}
	if !e.has("certificates") {
		e.good("certificates", i18n.Args{"date": cert.NotAfter.Local().Format("02/01/2006"), "days": int(cert.NotAfter.Sub(now) / (24 * time.Hour))})
	}
}

// condition tells one of package health.
func (e *exam) condition(check string, c health.Condition) {
	if c.Repair() {
		e.fail(check, c.Code, c.Args)
	} else {
		e.warn(check, c.Code, c.Args)
	}
}

// seals makes a test seal with each key that needs nobody. A running service tells
// by itself.
func (e *exam) seals(ctx context.Context) {
	if e.id == nil || e.status != nil || e.o.Inside {
		return
	}
	book := sealbook.New(sealbook.Options{Dir: e.o.Dir, Identity: identity.NewLive(e.id), Now: e.now})
	defer book.Close()
	entries, err := book.List()
	if err != nil {
		e.condition("seals", health.SealNotReady("seals.json", problem.From(err).Code))
		return
	}
	for _, entry := range entries {
		err := entry.Fault
		if err == nil && (entry.Kind == sealbook.KindEnrolled || entry.Kind == sealbook.KindFile) {
			_, err = book.Test(ctx, entry.Name, nil)
		}
		if err != nil {
			e.condition("seals", health.SealNotReady(entry.Name, problem.From(err).Code))
		} else if c, soon := health.SealEnds(entry.Name, entry.Cert.NotAfter, e.now()); soon {
			e.condition("seals", c)
		}
	}
	if !e.has("seals") {
		e.good("seals", i18n.Args{"count": len(entries)})
	}
}

// lookAtStamp looks at the external time stamp authority, if there is one.
func (e *exam) lookAtStamp(ctx context.Context) {
	s := e.cfg.Stamp
	if s.URL == "" {
		e.stamp <- nil
		return
	}
	file := s.CA
	if !filepath.IsAbs(file) {
		file = e.path(file)
	}
	data, err := os.ReadFile(file)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
		e.stamp <- []Finding{{State: Failure, Code: StampAuthority, Args: i18n.Args{"file": file}}}
		return
	}
	u, err := url.Parse(s.URL)
	if err != nil || e.o.Offline || e.o.Inside {
		e.stamp <- []Finding{{State: Good, Args: i18n.Args{"url": s.URL}}}
		return
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, lineLimit)
	defer cancel()
	conn, err := (&net.Dialer{Resolver: e.o.Resolver}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		e.stamp <- []Finding{{State: Warning, Code: StampSilent, Args: i18n.Args{"url": s.URL, "why": cause(err)}}}
		return
	}
	_ = conn.Close()
	e.stamp <- []Finding{{State: Good, Args: i18n.Args{"url": s.URL}}}
}

func (e *exam) stamps(context.Context) { e.take("stamp", e.stamp) }

// take adds findings that were gathered meanwhile.
func (e *exam) take(check string, from <-chan []Finding) {
	for _, f := range <-from {
		e.add(check, f.State, f.Code, f.Args)
	}
}

// pages looks at the certificate of the pages, and whether another program has
// their port. A running service has it itself.
func (e *exam) pages(context.Context) {
	if e.denied {
		e.unseen("pages", unseenDenied, nil)
		return
	}
	ui := e.cfg.UI
	cert, key := ui.Certificate, ui.Key
	if cert == "" {
		cert, key = e.path(lan.CertFile), e.path(lan.KeyFile)
	}
	if _, err := os.Stat(cert); err == nil || ui.Certificate != "" {
		e.pagesPair(cert, key)
	}
	if e.status == nil && !e.held && !e.o.Inside {
		for _, address := range []string{ui.Address, ui.Documents, e.cfg.Metrics.Listen} {
			if address == "" {
				continue
			}
			l, err := net.Listen("tcp", address)
			if errors.Is(err, syscall.EADDRINUSE) {
				e.fail("pages", PortTaken, i18n.Args{"address": address})
			} else if err == nil {
				_ = l.Close()
			}
		}
	}
	if !e.has("pages") {
		e.good("pages", i18n.Args{"address": ui.Address})
	}
}

func (e *exam) pagesPair(cert, key string) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		e.fail("pages", PagesPair, i18n.Args{"file": cert, "why": cause(err)})
		return
	}
	if c, holds := health.Pages(e.now(), pair.Leaf.NotAfter, lan.Soon); holds {
		e.condition("pages", c)
	}
}
