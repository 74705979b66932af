package invite

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"filippo.io/age"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/sync/bundle"
)

// Path is where the hub takes requests, by POST.
const Path = "/enroll/v1"

// Limits of the exchange, hard.
const (
	MaxRequest = 32 << 10 // bytes of a request body
	MaxAnswer  = 1 << 20  // bytes of an answer body
	MaxCSR     = 8 << 10  // bytes of a certificate request
	MaxBrokers = 8        // certificates of CAs of the broker
	MaxHubCert = 2 << 10  // bytes of each certificate of a hub that joins another
	// AnswerCards is how many registry cards come with an answer beside the
	// office's own and the hub's. The rest follow by sync.
	AnswerCards = 64
	// MaxAnswerCards bounds them, in bytes; those over it follow by sync.
	MaxAnswerCards = 48 << 10
)

// Purposes of the MAC and of the answer's signature.
const (
	requestPurpose = "tram-enroll-1"
	answerAAD      = "tram-enrolled-1"
)

// Request is what an office asks with. On the wire it is JSON; the proof is
// over a canonical form of the values, not over the JSON text.
type Request struct {
	Invite    ID
	Code      string
	DeviceCSR []byte // PKCS#10 DER
	SealCSR   []byte // PKCS#10 DER
	Recipient string // age1…
	Time      time.Time
	// HubCA and HubAuthority are the certificates of a hub that joins the hub
	// above it, DER; empty for an office.
	HubCA, HubAuthority []byte
	Proof               []byte // HMAC-SHA256
}

type requestJSON struct {
	Version   int    `json:"version"`
	Invite    string `json:"invite"`
	Code      string `json:"code"`
	DeviceCSR []byte `json:"device_csr"`
	SealCSR   []byte `json:"seal_csr"`
	Recipient string `json:"recipient"`
	Time      int64  `json:"time"` // unix seconds
	HubCA     []byte `json:"hub_ca,omitempty"`
	Authority []byte `json:"hub_authority,omitempty"`
	Proof     []byte `json:"proof"`
}

// Transcript is the SHA-256 of the canonical form of r at a hub with the CA
// certificate hash ca. The proof is made over it and the answer names it.
func (r *Request) Transcript(ca [sha256.Size]byte) ([sha256.Size]byte, error) {
	form := []any{requestPurpose, r.Invite[:], r.Code, r.DeviceCSR, r.SealCSR, r.Recipient, r.Time.Unix(), ca[:]}
	if r.ForHub() {
		form = append(form, r.HubCA, r.HubAuthority)
	}
	data, err := encoding.Marshal(form)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode transcript: %w", err)
	}
	return sha256.Sum256(data), nil
}

// ForHub reports whether a hub asks, to be a hub below the one asked.
func (r *Request) ForHub() bool { return len(r.HubCA) > 0 }

// Prove sets the proof of r.
func (r *Request) Prove(secret Secret, ca [sha256.Size]byte) error {
	sum, err := r.Transcript(ca)
	if err != nil {
		return err
	}
	r.Proof = mac(secret, sum)
	return nil
}

// Proven reports, in constant time, whether the proof of r was made with
// secret.
func (r *Request) Proven(secret Secret, ca [sha256.Size]byte) bool {
	sum, err := r.Transcript(ca)
	return err == nil && hmac.Equal(r.Proof, mac(secret, sum))
}

func mac(secret Secret, sum [sha256.Size]byte) []byte {
	h := hmac.New(sha256.New, secret[:])
	h.Write(sum[:])
	return h.Sum(nil)
}

// Encode makes the JSON of r.
func (r *Request) Encode() ([]byte, error) {
	return json.Marshal(requestJSON{
		Version: version, Invite: r.Invite.String(), Code: r.Code, DeviceCSR: r.DeviceCSR, SealCSR: r.SealCSR,
		Recipient: r.Recipient, Time: r.Time.Unix(), HubCA: r.HubCA, Authority: r.HubAuthority, Proof: r.Proof,
	})
}

// DecodeRequest reads the JSON of a request and checks every field for form
// and size. It does no public key operation.
func DecodeRequest(body []byte) (*Request, error) {
	if len(body) > MaxRequest {
		return nil, fmt.Errorf("%w: request has more than %d bytes", ErrMalformed, MaxRequest)
	}
	var j requestJSON
	if err := json.Unmarshal(body, &j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if j.Version != version {
		return nil, fmt.Errorf("%w %d, this program reads %d", ErrVersion, j.Version, version)
	}
	r := &Request{
		Code: j.Code, DeviceCSR: j.DeviceCSR, SealCSR: j.SealCSR, Recipient: j.Recipient,
		Time: time.Unix(j.Time, 0).UTC(), HubCA: j.HubCA, HubAuthority: j.Authority, Proof: j.Proof,
	}
	id, err := hex.DecodeString(j.Invite)
	if err == nil {
		err = fill(r.Invite[:], id)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: invite: %w", ErrMalformed, err)
	}
	if err := registry.CheckCode(r.Code); err != nil {
		return nil, fmt.Errorf("%w: code: %w", ErrMalformed, err)
	}
	for name, csr := range map[string][]byte{"device_csr": r.DeviceCSR, "seal_csr": r.SealCSR} {
		if len(csr) == 0 || len(csr) > MaxCSR {
			return nil, fmt.Errorf("%w: %s has %d bytes", ErrMalformed, name, len(csr))
		}
	}
	if (len(r.HubCA) == 0) != (len(r.HubAuthority) == 0) || len(r.HubCA) > MaxHubCert || len(r.HubAuthority) > MaxHubCert {
		return nil, fmt.Errorf("%w: hub certificates have %d and %d bytes", ErrMalformed, len(r.HubCA), len(r.HubAuthority))
	}
	if _, err := age.ParseX25519Recipient(r.Recipient); err != nil {
		return nil, fmt.Errorf("%w: recipient is no age X25519 key", ErrMalformed)
	}
	if j.Time < 0 || j.Time > maxTime {
		return nil, fmt.Errorf("%w: time", ErrMalformed)
	}
	if len(r.Proof) != sha256.Size {
		return nil, fmt.Errorf("%w: proof has %d bytes", ErrMalformed, len(r.Proof))
	}
	return r, nil
}

// Answer is what the hub gives to an office that it has taken in.
type Answer struct {
	Invite     ID
	Transcript [sha256.Size]byte // of the request answered
	Device     *x509.Certificate
	Seal       *x509.Certificate
	CA         *x509.Certificate
	Authority  *x509.Certificate
	Card       []byte   // the office's own
	Cards      [][]byte // the hub's first, then others; not all
	Hub        string
	HubName    string
	Enroll     []string
	MQTT       []string
	Brokers    []*x509.Certificate // CAs of the broker's nodes beside CA
	Time       time.Time           // the hub's clock, milliseconds
	// Next is the CA that is to follow CA, nil for none; Former are those before
	// it, and Vouchers the words of each for the others, see identity.Vouch.
	Next     *x509.Certificate
	Former   []*x509.Certificate
	Vouchers [][]byte
}

type answerPayload struct {
	Version    uint64   `cbor:"1,keyasint"`
	Invite     []byte   `cbor:"2,keyasint"`
	Transcript []byte   `cbor:"3,keyasint"`
	Device     []byte   `cbor:"4,keyasint"`
	Seal       []byte   `cbor:"5,keyasint"`
	CA         []byte   `cbor:"6,keyasint"`
	Authority  []byte   `cbor:"7,keyasint"`
	Card       []byte   `cbor:"8,keyasint"`
	Cards      [][]byte `cbor:"9,keyasint"`
	Hub        string   `cbor:"10,keyasint"`
	HubName    string   `cbor:"11,keyasint"`
	Enroll     []string `cbor:"12,keyasint"`
	MQTT       []string `cbor:"13,keyasint"`
	Time       int64    `cbor:"14,keyasint"` // unix milliseconds
	Brokers    [][]byte `cbor:"15,keyasint,omitempty"`
	Next       []byte   `cbor:"16,keyasint,omitempty"`
	Former     [][]byte `cbor:"17,keyasint,omitempty"`
	Vouchers   [][]byte `cbor:"18,keyasint,omitempty"`
}

// Reply is the JSON body of the hub's response: an answer, or a refusal.
type Reply struct {
	Version int      `json:"version"`
	Answer  []byte   `json:"answer,omitempty"` // COSE_Sign1 by the authority
	Refusal *Refusal `json:"refusal,omitempty"`
	Time    int64    `json:"time"` // the hub's clock, unix milliseconds; unsigned
}

// Refusal is why the hub did not take an office in. Code is that of a problem
// of the message catalogue.
type Refusal struct {
	Code string            `json:"code"`
	Text string            `json:"text"` // English, for other programs
	Args map[string]string `json:"args,omitempty"`
}

// Sign makes the signed bytes of a.
func (a *Answer) Sign(authority crypto.Signer) ([]byte, error) { return a.sign(answerAAD, authority) }

func (a *Answer) sign(aad string, authority crypto.Signer) ([]byte, error) {
	p := answerPayload{
		Version: version, Invite: a.Invite[:], Transcript: a.Transcript[:], Device: a.Device.Raw, Seal: a.Seal.Raw,
		CA: a.CA.Raw, Authority: a.Authority.Raw, Card: a.Card, Cards: a.Cards, Hub: a.Hub, HubName: a.HubName,
		Enroll: a.Enroll, MQTT: a.MQTT, Time: a.Time.UnixMilli(),
		Brokers: ders(a.Brokers), Former: ders(a.Former), Vouchers: a.Vouchers,
	}
	if a.Next != nil {
		p.Next = a.Next.Raw
	}
	data, err := encoding.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("sign answer: %w", err)
	}
	raw, err := bundle.SignCOSE(aad, data, authority)
	if err != nil {
		return nil, fmt.Errorf("sign answer: %w", err)
	}
	return raw, nil
}

// ParseAnswer reads an answer signed by authority. What the certificates and
// cards in it say is the caller's to check.
func ParseAnswer(raw []byte, authority crypto.PublicKey) (*Answer, error) {
	return parseAnswer(answerAAD, raw, authority)
}

func parseAnswer(aad string, raw []byte, authority crypto.PublicKey) (*Answer, error) {
	data, err := bundle.VerifyCOSE(aad, raw, authority)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var p answerPayload
	if err := decode(data, &p); err != nil {
		return nil, err
	}
	a := &Answer{
		Card: p.Card, Cards: p.Cards, Hub: p.Hub, HubName: p.HubName, Enroll: p.Enroll, MQTT: p.MQTT,
		Time: time.UnixMilli(p.Time).UTC(),
	}
	var errs [11]error
	errs[0] = fill(a.Invite[:], p.Invite)
	errs[1] = fill(a.Transcript[:], p.Transcript)
	a.Device, errs[2] = parseCert(p.Device)
	a.Seal, errs[3] = parseCert(p.Seal)
	a.CA, errs[4] = parseCert(p.CA)
	a.Authority, errs[5] = parseCert(p.Authority)
	errs[6] = checkEndpoints(a.Enroll)
	errs[7] = checkEndpoints(a.MQTT)
	a.Brokers, errs[8] = parseCerts(p.Brokers, MaxBrokers)
	errs[9] = a.successors(p)
	a.Vouchers, errs[10] = p.Vouchers, checkVouchers(p.Vouchers)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("%w: answer: %w", ErrMalformed, err)
	}
	return a, nil
}

// successors reads the hub's other CAs.
func (a *Answer) successors(p answerPayload) (err error) {
	if len(p.Next) > 0 {
		if a.Next, err = parseCert(p.Next); err != nil {
			return fmt.Errorf("next CA: %w", err)
		}
	}
	if a.Former, err = parseCerts(p.Former, identity.MaxOtherCAs); err != nil {
		return fmt.Errorf("former CAs: %w", err)
	}
	return nil
}

func checkVouchers(vouchers [][]byte) error {
	if len(vouchers) > identity.MaxVouchers {
		return fmt.Errorf("%d vouchers", len(vouchers))
	}
	for _, v := range vouchers {
		if len(v) > identity.MaxVoucher {
			return fmt.Errorf("voucher of %d bytes", len(v))
		}
	}
	return nil
}

func ders(certs []*x509.Certificate) (list [][]byte) {
	for _, c := range certs {
		list = append(list, c.Raw)
	}
	return list
}

func parseCerts(list [][]byte, most int) (certs []*x509.Certificate, err error) {
	if len(list) > most {
		return nil, fmt.Errorf("%d certificates, at most %d are read", len(list), most)
	}
	for _, der := range list {
		c, err := parseCert(der)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}
