package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// Phase is how far the change of a hub's CA has come.
type Phase string

// Phases.
const (
	Settled   Phase = "settled"   // one CA
	Announced Phase = "announced" // a next one that issues nothing yet is believed beside it
	Switched  Phase = "switched"  // the next one issues; the former key signs its last revocation lists
)

// Step takes the change of a hub's CA from one phase to another.
type Step string

// Steps.
const (
	StepAnnounce Step = "announce"
	StepSwitch   Step = "switch"
	StepFinish   Step = "finish" // destroys the former key
	StepCancel   Step = "cancel" // takes the announcement back
)

// Steps are all steps and the phase that each begins in.
var Steps = map[Step]Phase{StepAnnounce: Settled, StepSwitch: Announced, StepFinish: Switched, StepCancel: Announced}

// maxFormerCAs is how many CAs before the present one offices are told of. What
// an older one has sealed is checked with its certificate, by hand.
const maxFormerCAs = identity.MaxOtherCAs - 1

// The renames of a step; identity.PointPublish is the last one.
const (
	PointRotated  fsx.Point = "ca.rotated"  // the new folder is whole
	PointReplaced fsx.Point = "ca.replaced" // the old one steps aside
)

// Names of pairs that are there only while the CA is changed, and of the server
// pair of the CA before, which offices are shown that have missed the change.
const (
	nextName         = "next"
	formerName       = "former"
	formerServerName = "former-server"
	rotationFile     = "rotation.json"
)

// succession is what a hub has beside its present CA.
type succession struct {
	next         Pair                // announced; its Cert is nil when there is none
	retiring     Pair                // the one before, while its key is there
	former       []*x509.Certificate // before the present one, the newest first
	formerServer Pair                // of former[0]
	vouchers     [][]byte            // see identity.Vouch
	since        time.Time           // begin of the phase; zero when the CA never changed
}

type rotationJSON struct {
	Version  int       `json:"version"`
	Since    time.Time `json:"since"`
	Former   [][]byte  `json:"former"` // DER
	Vouchers [][]byte  `json:"vouchers"`
}

// Phase is how far the change of the CA has come.
func (c *CA) Phase() Phase {
	switch {
	case c.others.next.Cert != nil:
		return Announced
	case c.others.retiring.Cert != nil:
		return Switched
	}
	return Settled
}

// Since is when the present phase began; zero when the CA never changed.
func (c *CA) Since() time.Time { return c.others.since }

// Next is the certificate of the CA that is announced, nil for none.
func (c *CA) Next() *x509.Certificate { return c.others.next.Cert }

// Roots are the CA certificates that this hub accepts from its offices, the
// present one first.
func (c *CA) Roots() []*x509.Certificate {
	return append([]*x509.Certificate{c.Root.Cert}, c.others.former...)
}

// Signing are the CAs whose keys are here and that have issued certificates:
// they sign revocation lists, and an external broker believes them.
func (c *CA) Signing() []Pair {
	if c.others.retiring.Cert != nil {
		return []Pair{c.Root, c.others.retiring}
	}
	return []Pair{c.Root}
}

// isOwnKey reports whether pub is the key of one of this hub's CAs.
func (c *CA) isOwnKey(pub crypto.PublicKey) bool {
	t := c.trust()
	return slices.ContainsFunc(t.Issuers(), func(ca *x509.Certificate) bool {
		return ca.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(pub)
	})
}

// trust is whom this hub's offices are to believe.
func (c *CA) trust() identity.Trust {
	return identity.Trust{
		CA: c.Root.Cert, Authority: c.Authority.Cert, Next: c.others.next.Cert, Former: c.others.former,
		Hub: c.Code, HubName: c.Name, MQTT: c.MQTT, Enroll: c.Enroll, Brokers: c.Brokers,
	}
}

// vouch fills in what an answer says of this hub's CAs.
func (c *CA) vouch(a *invite.Answer) {
	a.CA, a.Authority, a.Next, a.Former, a.Vouchers = c.Root.Cert, c.Authority.Cert, c.others.next.Cert, c.others.former, c.others.vouchers
}

// toldOf is the digest over the CAs that offices are told of; nil when there was
// only ever one, which they know from their enrolment.
func (c *CA) toldOf() []byte {
	t := c.trust()
	all := t.Issuers()
	if len(all) == 1 && c.others.since.IsZero() {
		return nil
	}
	sum := sha256.New()
	for _, ca := range all {
		own := sha256.Sum256(ca.Raw)
		sum.Write(own[:])
	}
	return sum.Sum(nil)
}

// Rotate does a step of the change of the CA in data folder dir, all or nothing.
// The hub must not be running. Problems: hub.none, ca.phase.
func Rotate(dir string, step Step, now time.Time) (*CA, error) {
	c, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if phase := c.Phase(); Steps[step] != phase {
		return nil, problem.New(problem.Conflict, "ca.phase."+string(phase), "step", i18n.Args{"step": step})
	}
	if err := c.rotate(dir, step, now); err != nil {
		return nil, fmt.Errorf("change CA: %w", err)
	}
	return Load(dir)
}

// Folders beside the key folder while a step is done. The second is complete.
const (
	rotatingFolder = identity.Folder + ".rotating"
	rotatedFolder  = identity.Folder + ".rotated"
	replacedFolder = identity.Folder + ".replaced"
)

// rotate does a step on a copy of the key folder and puts that in its place.
func (c *CA) rotate(dir string, step Step, now time.Time) error {
	stage, done := filepath.Join(dir, rotatingFolder), filepath.Join(dir, rotatedFolder)
	if err := c.sweep(); err != nil {
		return err
	}
	if err := keystore.CopyFolder(c.folder, stage); err != nil {
		return err
	}
	staged := &CA{folder: stage}
	if err := staged.load(); err != nil {
		return err
	}
	staged.others.since = now.UTC().Truncate(time.Second)
	do := map[Step]func(time.Time) error{
		StepAnnounce: staged.makeNext, StepSwitch: staged.takeOver, StepFinish: staged.finish, StepCancel: staged.cancel,
	}
	if err := do[step](now); err != nil {
		return err
	}
	if err := staged.saveSuccession(); err != nil {
		return err
	}
	if err := (&CA{folder: stage}).load(); err != nil { // what is put in place can be read
		return err
	}
	if err := errors.Join(fsx.SyncDir(stage), PointRotated.Rename(fsx.OS, stage, done)); err != nil {
		return err
	}
	if err := PointReplaced.Rename(fsx.OS, c.folder, filepath.Join(dir, replacedFolder)); err != nil {
		return err
	}
	if err := settle(dir); err != nil {
		return err
	}
	return c.sweep()
}

// settle finishes a step that was cut between its two renames.
func settle(dir string) error {
	folder, done := filepath.Join(dir, identity.Folder), filepath.Join(dir, rotatedFolder)
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(done); err != nil {
		return nil
	}
	return identity.Publish(done, folder)
}

// sweep removes what a step leaves beside the key folder: what it has replaced,
// with the key that it may have destroyed, and a copy that was not put in place.
// The data folder must be locked, the key folder there.
func (c *CA) sweep() error {
	dir := filepath.Dir(c.folder)
	var errs []error
	for _, name := range []string{rotatingFolder, rotatedFolder, replacedFolder} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// makeNext makes the next CA. It is valid from the beginning of the first one,
// as are all certificates of the hub, for boxes whose clock is slow.
func (c *CA) makeNext(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	next, err := c.makeRoot(key, generation(c.Root.Cert)+1, c.Root.Cert.NotBefore, now)
	if err != nil {
		return err
	}
	forth, err := identity.Vouch(c.Root.Key, next.Cert)
	if err != nil {
		return err
	}
	back, err := identity.Vouch(key, c.Root.Cert)
	if err != nil {
		return err
	}
	o := &c.others
	o.vouchers = append([][]byte{forth, back}, o.vouchers...)
	o.vouchers = o.vouchers[:min(len(o.vouchers), identity.MaxVouchers)]
	o.former = o.former[:min(len(o.former), maxFormerCAs)]
	return next.save(c.folder, nextName)
}

// cancel forgets the next CA.
func (c *CA) cancel(time.Time) error {
	c.others.vouchers = c.others.vouchers[2:]
	return c.remove(nextName)
}

// takeOver has the next CA issue what the present one did. The keys stay, but
// for the server's: the former server certificate is still shown to those who
// know the former CA alone.
func (c *CA) takeOver(now time.Time) error {
	former := c.Root
	c.Root = c.others.next
	c.others.former = append([]*x509.Certificate{former.Cert}, c.others.former...)
	c.others.former = c.others.former[:min(len(c.others.former), maxFormerCAs)]
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority, errA := c.makeAuthority(c.Authority.Key, now)
	device, errD := c.makeHubDevice(c.device.Key, now)
	server, errS := c.makeServer(serverKey, now)
	if err := errors.Join(errA, errD, errS); err != nil {
		return err
	}
	for name, pair := range map[string]Pair{
		formerName: former, formerServerName: c.server,
		rootName: c.Root, authorityName: authority, deviceName: device, serverName: server,
	} {
		if err := pair.save(c.folder, name); err != nil {
			return err
		}
	}
	return c.remove(nextName)
}

// finish destroys the key of the former CA.
func (c *CA) finish(time.Time) error { return c.remove(formerName) }

func (c *CA) remove(name string) error {
	return errors.Join(os.Remove(filepath.Join(c.folder, name+".key")), os.Remove(filepath.Join(c.folder, name+".crt")))
}

// generationMark is in the name of each CA but the first, before its number.
const generationMark = " G"

// generation is the number of a CA among those of its hub, the first being 1.
func generation(ca *x509.Certificate) (n int) {
	name := ca.Subject.CommonName
	if i := strings.LastIndex(name, generationMark); i >= 0 {
		if _, err := fmt.Sscanf(name[i:], generationMark+"%d", &n); err == nil && n > 1 {
			return n
		}
	}
	return 1
}

func (c *CA) saveSuccession() error {
	r := rotationJSON{Version: settingsVersion, Since: c.others.since, Vouchers: c.others.vouchers}
	for _, ca := range c.others.former {
		r.Former = append(r.Former, ca.Raw)
	}
	return c.writeJSON(rotationFile, r)
}

// loadSuccession reads what the hub has beside its present CA.
func (c *CA) loadSuccession() error {
	var r rotationJSON
	err := c.readJSON(rotationFile, &r, &r.Version)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil // the CA never changed
	}
	if err != nil {
		return err
	}
	o := succession{since: r.Since, vouchers: r.Vouchers}
	for _, der := range r.Former {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read other CAs: %w", err)
		}
		o.former = append(o.former, ca)
	}
	for name, pair := range map[string]*Pair{nextName: &o.next, formerName: &o.retiring, formerServerName: &o.formerServer} {
		if *pair, err = loadPair(c.folder, name); err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return err
		}
	}
	c.others = o
	return c.checkSuccession()
}

func (c *CA) checkSuccession() error {
	o := c.others
	if o.retiring.Cert != nil && (len(o.former) == 0 || !o.retiring.Cert.Equal(o.former[0])) {
		return errors.New("check other CAs: the former key is of another CA")
	}
	if o.formerServer.Cert != nil && (len(o.former) == 0 || o.formerServer.Cert.CheckSignatureFrom(o.former[0]) != nil) {
		return errors.New("check other CAs: the former server certificate is of another CA")
	}
	t := c.trust()
	present := func(ca *x509.Certificate) bool { return ca.Equal(c.Root.Cert) }
	return identity.Vouched(present, t.Issuers(), o.vouchers)
}

// shown is the server pair, with its CA, for a client that knows those CAs; see
// identity.KnownCA.
func (c *CA) shown(known []string) (server Pair, root *x509.Certificate) {
	knows := func(ca *x509.Certificate) bool {
		return slices.Contains(known, identity.KnownCA(sha256.Sum256(ca.Raw)))
	}
	if o := c.others; o.formerServer.Cert != nil && knows(o.former[0]) && !knows(c.Root.Cert) {
		return o.formerServer, o.former[0]
	}
	return c.Server(), c.Root.Cert
}
