package lgsp

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/hub/registry"
	"tram/agent/problem"
)

// How statuses of this office are told to the axis.
const (
	byUpdate  = "update"  // updateStatus with the code
	byMessage = "message" // a status message of edXML
)

// Bounds of settings.
const (
	defaultEvery = 5 * time.Minute
	minEvery     = time.Second
	maxEvery     = 24 * time.Hour
	defaultDays  = 7
	maxDays      = 365
	maxPatterns  = 1000
)

// Settings of a connector.
type Settings struct {
	URL      string `json:"url"`       // of the axis; the paths are below it
	SystemID string `json:"system_id"` // X-SystemId: the office's code, as the axis knows it
	// Reaches are patterns of the codes of offices that are reached, such as
	// "G*" or "*.G22". Without any it is the axis's list of offices.
	Reaches  []string `json:"reaches"`
	Every    string   `json:"every"`    // time between rounds
	Days     int      `json:"days"`     // how far back a round looks at least
	Statuses string   `json:"statuses"` // byUpdate or byMessage
	CA       string   `json:"ca"`       // file of CA certificates in PEM to believe the axis by
	// Username and Application are those of an account whose token some axes
	// want beside the secret; its password is the second line of the secret.
	Username    string `json:"username"`
	Application string `json:"application"`
	Paths       Paths  `json:"paths"`
	// Dossiers says how one-stop dossiers are synchronised.
	Dossiers Dossiers `json:"dossiers"`
}

// Paths of the calls. "-" says that an axis does not have it.
type Paths struct {
	Send     string `json:"send"`
	Received string `json:"received"`
	Sent     string `json:"sent"`
	Get      string `json:"get"`
	Update   string `json:"update"`
	Agencies string `json:"agencies"`
	Login    string `json:"login"`
}

// none says that there is no such call.
const none = "-"

// defaultPaths are those of the province whose interface public code shows; the
// names are those of the national axis.
var defaultPaths = Paths{
	Send: "v1/sendEdoc", Received: "v1/syncReceivedEdocList", Sent: "v1/getSentEdocList", Get: "v1/getEdoc",
	Update: "v1/updateStatus", Agencies: "v1/getAgenciesList", Login: "v1/auth/login?allow_anonymous=true",
}

// checked are settings in the form that is used.
type checked struct {
	Settings
	base   *url.URL
	every  time.Duration
	roots  *x509.CertPool
	secret string
	pass   string // of the account
}

// check reads settings; all their faults come at once.
func check(env connector.Env) (*checked, error) {
	var s Settings
	if err := connector.Decode(env.Settings, &s); err != nil {
		return nil, err
	}
	c := &checked{Settings: s, every: defaultEvery}
	var faults problem.List
	fault := func(setting, value, want string) { faults = append(faults, connector.Fault(setting, value, want)) }
	if c.base = address(s.URL); c.base == nil {
		fault("url", s.URL, "https://…")
	}
	// The axis takes a message from none but the office that it has registered
	// under that name.
	if registry.Key(s.SystemID) != registry.Key(env.Office.Code) {
		fault("system_id", s.SystemID, env.Office.Code)
	}
	if s.Every != "" {
		d, err := time.ParseDuration(s.Every)
		if c.every = d; err != nil || d < minEvery || d > maxEvery {
			fault("every", s.Every, minEvery.String()+"–"+maxEvery.String())
		}
	}
	if c.Days == 0 {
		c.Days = defaultDays
	}
	if c.Days < 0 || c.Days > maxDays {
		fault("days", number(s.Days), "1–"+number(maxDays))
	}
	if c.Statuses == "" {
		c.Statuses = byUpdate
	}
	if c.Statuses != byUpdate && c.Statuses != byMessage {
		fault("statuses", s.Statuses, byUpdate+", "+byMessage)
	}
	if len(s.Reaches) > maxPatterns {
		fault("reaches", number(len(s.Reaches)), "≤ "+number(maxPatterns))
	}
	for _, p := range s.Reaches {
		if strings.Trim(p, "*. ") == "" && p != "*" {
			fault("reaches", p, "G*, *.G22")
		}
	}
	faults = append(faults, c.readSecret(env.Secret)...)
	faults = append(faults, c.readCA()...)
	faults = append(faults, c.fillPaths()...)
	faults = append(faults, c.fillDossiers(env.Dossiers)...)
	return c, faults.Err()
}

// address is the address of an axis, nil for one that will not do: a secret goes
// there, so it is encrypted unless it stays on this machine.
func address(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return nil
	}
	return u
}

func (c *checked) readSecret(secret []byte) (faults problem.List) {
	lines := strings.Split(strings.TrimRight(string(secret), "\r\n"), "\n")
	c.secret = strings.TrimSpace(lines[0])
	if c.secret == "" || strings.ContainsFunc(c.secret, func(r rune) bool { return r < ' ' || r > '~' }) {
		faults = append(faults, connector.Fault("secret", "…", "ASCII"))
	}
	if c.Username == "" {
		return faults
	}
	if len(lines) > 1 {
		c.pass = strings.TrimSpace(lines[1])
	}
	if c.pass == "" {
		faults = append(faults, connector.Fault("username", c.Username, "secret: X-SecretKey ⏎ password"))
	}
	return faults
}

func (c *checked) readCA() problem.List {
	if c.CA == "" {
		return nil
	}
	raw, err := os.ReadFile(c.CA)
	c.roots = x509.NewCertPool()
	if err != nil || !filepath.IsAbs(c.CA) || !c.roots.AppendCertsFromPEM(raw) {
		return problem.List{connector.Fault("ca", c.CA, "/….pem")}
	}
	return nil
}

func (c *checked) fillPaths() (faults problem.List) {
	for _, p := range []struct {
		name      string
		path      *string
		otherwise string
		needed    bool
	}{
		{"send", &c.Paths.Send, defaultPaths.Send, true}, {"received", &c.Paths.Received, defaultPaths.Received, true},
		{"get", &c.Paths.Get, defaultPaths.Get, true}, {"update", &c.Paths.Update, defaultPaths.Update, true},
		{"sent", &c.Paths.Sent, defaultPaths.Sent, false}, {"agencies", &c.Paths.Agencies, defaultPaths.Agencies, false},
		{"login", &c.Paths.Login, defaultPaths.Login, c.Username != ""},
	} {
		if *p.path == "" {
			*p.path = p.otherwise
		}
		if !relative(*p.path) || p.needed && *p.path == none {
			faults = append(faults, connector.Fault("paths."+p.name, *p.path, p.otherwise))
		}
	}
	return faults
}

// tls is how the axis is believed.
func (c *checked) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots}
}

// covers reports whether the patterns name a code; ok is false without patterns.
func (c *checked) covers(code string) (covered, ok bool) {
	key := registry.Key(code)
	for _, p := range c.Reaches {
		if matches(registry.Key(p), key) {
			return true, true
		}
	}
	return false, len(c.Reaches) > 0
}

// matches holds text against a pattern with *, which stands for anything.
func matches(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	if text = text[len(head):]; !star {
		return text == ""
	}
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}

func number(n int) string {
	raw, _ := json.Marshal(n) // of a number
	return string(raw)
}
