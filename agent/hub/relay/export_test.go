package relay

import "tram/storage/sqlite"

// Options gives what a Relay was made with.
func (r *Relay) Options() Options { return r.o }

// TakeEvidence is what a notice of another hub leads to.
func (r *Relay) TakeEvidence(tx *sqlite.Tx, peer string, heads [][]byte) error {
	return r.takeEvidence(tx, peer, heads)
}

// CardsPerNotice is the bound of that name.
const CardsPerNotice = cardsPerNotice
