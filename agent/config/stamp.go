package config

import (
	"net/url"

	"tram/agent/problem"
)

// Stamp is the external time stamp authority (RFC 3161). Without one there are
// only the hub's time stamps, of last resort.
type Stamp struct {
	URL string // http or https address of the authority; "": none
	CA  string // PEM file in the data folder with whom to believe its time stamps by
}

func (s *Stamp) fields() []field {
	return []field{
		text("stamp.url", &s.URL, maxName),
		text("stamp.ca", &s.CA, maxName),
	}
}

// faults finds an address that cannot be asked, and one without anchors.
func (s *Stamp) faults(origins map[string]Origin) (found problem.List) {
	if s.URL == "" {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		found = append(found, badValue("stamp.url", s.URL, "http://…, https://…", origins))
	}
	if s.CA == "" {
		found = append(found, badValue("stamp.ca", s.CA, "*.pem", origins))
	}
	return found
}
