package hub

import (
	"context"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
)

// SoftwareSumsPath is the path of the local interface that signs a list of checksums.
const SoftwareSumsPath = "/v1/software/sums"

// SumsRequest is a list of checksums, as sha256sum writes it, of programs and packages
// that are to go out on sticks.
type SumsRequest struct {
	Version string `json:"version"`
	List    []byte `json:"list"`
}

// maxSumsRequest bounds a SumsRequest, in bytes of JSON.
const maxSumsRequest = 2*release.MaxSums + 1<<10

// SignedSums is the signature of a list of checksums.
type SignedSums struct {
	Version string `json:"version"`
	Serial  uint64 `json:"serial"`
	Proof   []byte `json:"proof"`
}

// SignSums signs a list of checksums with the province's software key, so that an
// office, or a box that has this hub's invite, can tell that it is the province's.
func (h *Hub) SignSums(ctx context.Context, q SumsRequest, by string) (SignedSums, error) {
	if h.upstream.identity() != nil {
		return SignedSums{}, problem.New(problem.Conflict, "software.above-signs", "", i18n.Args{"hub": h.upstream.codes()[0]})
	}
	version, err := release.ParseVersion(q.Version)
	if err != nil {
		return SignedSums{}, problem.New(problem.Usage, "software.version", "--version", i18n.Args{"value": q.Version}).Because(err)
	}
	if _, err := release.ParseSums(q.List); err != nil {
		return SignedSums{}, problem.New(problem.Usage, "software.sums", "DIR", i18n.Args{"why": err.Error()}).Because(err)
	}
	key, err := h.softwareKey(ctx)
	if err != nil {
		return SignedSums{}, err
	}
	m := release.Manifest{Version: version, Channel: release.Stable, Files: []release.File{release.Sums(q.List)}}
	proof, m, err := h.releases.SignSums(ctx, m, key, by)
	if err != nil {
		return SignedSums{}, err
	}
	return SignedSums{Version: version.String(), Serial: m.Serial, Proof: proof.Encode()}, nil
}
