package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"tram/storage/keystore"
)

// Trust is whom an office believes and where it finds its hub.
type Trust struct {
	CA, Authority *x509.Certificate
	// Next is the CA that is to follow CA, nil for none; Former are those before
	// it. What one of Former issued still counts, but for servers.
	Next         *x509.Certificate
	Former       []*x509.Certificate
	Hub          string   // code of the hub
	HubName      string   // its name
	MQTT, Enroll []string // host:port, tried in this order
	// Brokers are CAs that may have issued the certificates of the broker's
	// nodes, beside CA. They are believed in nothing else.
	Brokers []*x509.Certificate
}

// Issuers are the CAs whose certificates of this hub's offices count, the
// present one first.
func (t *Trust) Issuers() []*x509.Certificate {
	list := []*x509.Certificate{t.CA}
	if t.Next != nil {
		list = append(list, t.Next)
	}
	return append(list, t.Former...)
}

// Servers are the CAs whose server certificates count, brokers' own aside.
func (t *Trust) Servers() []*x509.Certificate {
	if t.Next != nil {
		return []*x509.Certificate{t.CA, t.Next}
	}
	return []*x509.Certificate{t.CA}
}

// Succeed returns t with the CAs that the hub names now: ca is the present one,
// next the one announced (nil: none), former are those before. Each must be
// believed already or vouched for.
func (t Trust) Succeed(ca, authority, next *x509.Certificate, former []*x509.Certificate, vouchers [][]byte) (Trust, error) {
	key, ok := authority.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !key.Equal(t.Authority.PublicKey) {
		return t, errors.New("check CA: another authority key")
	}
	known := t.Issuers()
	told := append([]*x509.Certificate{ca}, former...)
	if next != nil {
		told = append(told, next)
	}
	if err := Vouched(func(c *x509.Certificate) bool { return Among(known, c) }, told, vouchers); err != nil {
		return t, err
	}
	if err := CheckAuthority(ca, authority); err != nil {
		return t, err
	}
	t.CA, t.Authority, t.Next, t.Former = ca, authority, next, former
	return t, nil
}

// trustFile is trust.json.
type trustFile struct {
	Version   int      `json:"version"`
	Code      string   `json:"code"`
	Name      string   `json:"name"`
	Hub       string   `json:"hub"`
	HubName   string   `json:"hub_name"`
	CA        string   `json:"ca"`        // PEM
	Authority string   `json:"authority"` // PEM
	Next      string   `json:"next,omitempty"`
	Former    []string `json:"former,omitempty"`
	MQTT      []string `json:"mqtt"`
	Enroll    []string `json:"enroll"`
	Brokers   []string `json:"brokers,omitempty"` // PEM
}

const trustVersion = 1

// trustJSON is the content of trust.json.
func (id *Identity) trustJSON() ([]byte, error) {
	file := trustFile{
		Version: trustVersion, Code: id.Code, Name: id.Name, Hub: id.Trust.Hub, HubName: id.Trust.HubName,
		CA: pemOf(id.Trust.CA), Authority: pemOf(id.Trust.Authority), MQTT: id.Trust.MQTT, Enroll: id.Trust.Enroll,
		Former: pemsOf(id.Trust.Former), Brokers: pemsOf(id.Trust.Brokers),
	}
	if id.Trust.Next != nil {
		file.Next = pemOf(id.Trust.Next)
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("save trust: %w", err)
	}
	return append(data, '\n'), nil
}

func (id *Identity) loadTrust(path string) error {
	data, err := keystore.Load(path)
	if err != nil {
		return err
	}
	var t trustFile
	if err := json.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("load trust: %w", err)
	}
	if t.Version != trustVersion {
		return fmt.Errorf("load trust: version %d, this program reads %d", t.Version, trustVersion)
	}
	ca, err := certOf(t.CA)
	if err != nil {
		return fmt.Errorf("load trust: ca: %w", err)
	}
	authority, err := certOf(t.Authority)
	if err != nil {
		return fmt.Errorf("load trust: authority: %w", err)
	}
	id.Code, id.Name, id.Hub = t.Code, t.Name, t.Hub
	id.Trust = Trust{CA: ca, Authority: authority, Hub: t.Hub, HubName: t.HubName, MQTT: t.MQTT, Enroll: t.Enroll}
	if t.Next != "" {
		if id.Trust.Next, err = certOf(t.Next); err != nil {
			return fmt.Errorf("load trust: next: %w", err)
		}
	}
	if id.Trust.Former, err = certsOf(t.Former); err != nil {
		return fmt.Errorf("load trust: former: %w", err)
	}
	if id.Trust.Brokers, err = certsOf(t.Brokers); err != nil {
		return fmt.Errorf("load trust: broker: %w", err)
	}
	return nil
}

func pemOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

func pemsOf(certs []*x509.Certificate) (list []string) {
	for _, c := range certs {
		list = append(list, pemOf(c))
	}
	return list
}

func certsOf(texts []string) (certs []*x509.Certificate, err error) {
	for _, text := range texts {
		c, err := certOf(text)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

func certOf(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
