package hub

import (
	"time"

	"tram/agent/seal"
	"tram/agent/tsa"
)

// stampAccuracy is how far a hub takes its own clock to be off: a server that
// is kept in time by the network. It stands in each time stamp.
const stampAccuracy = 2 * time.Second

// seal is with what this hub testifies.
func (h *Hub) seal() *seal.Sealer {
	return &seal.Sealer{Key: h.witness.Seal.Key, Cert: h.witness.Seal.Cert}
}

// stamps is this hub as time stamp authority of last resort. A dead clock shows
// a time before the certificate's life, and then it gives none.
func (h *Hub) stamps() *tsa.Authority {
	return &tsa.Authority{Key: h.witness.Stamp.Key, Cert: h.witness.Stamp.Cert, Policy: tsa.ReservePolicy, Accuracy: stampAccuracy}
}
