package hub

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"tram/agent/api"
	"tram/agent/hub/ca"
	"tram/storage/sqlite"
)

// SealIssued is the certificate of a further seal of an office.
type SealIssued struct {
	Code        string    `json:"code"`
	Name        string    `json:"name"`
	Role        string    `json:"role"`
	Person      string    `json:"person,omitempty"`
	Until       time.Time `json:"until"`
	Certificate []byte    `json:"certificate"` // DER
}

// IssueSeal issues the certificate of a further seal, see [ca.CA.IssueSeal].
func (h *Hub) IssueSeal(ctx context.Context, q ca.SealRequest) (SealIssued, error) {
	var cert *x509.Certificate
	err := h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		cert, err = h.ca.IssueSeal(tx, h.registry, q)
		return err
	})
	if err != nil {
		return SealIssued{}, err
	}
	return SealIssued{
		Code: cert.Subject.SerialNumber, Name: cert.Subject.CommonName, Role: string(q.Role), Person: q.Person,
		Until: cert.NotAfter, Certificate: cert.Raw,
	}, nil
}

// sealRoutes adds the calls about seals to the local socket.
func (h *Hub) sealRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/seals", api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var q ca.SealRequest
		if err := api.ReadJSONWithin(r.Body, ca.MaxSealRequest*2, &q); err != nil {
			return nil, err
		}
		return h.IssueSeal(r.Context(), q)
	}))
}
