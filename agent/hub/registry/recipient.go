package registry

import (
	"crypto/ecdh"
	"fmt"
	"strings"

	"filippo.io/age/plugin"
)

// A recipient is written age1 and its 32 bytes in Bech32 (BIP 173): 52 letters
// of five bits and a checksum of six. In a page it stands as the bytes.
const (
	recipientPrefix = "age1"
	recipientDigits = 52
	checksumDigits  = 6
	bech32          = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
)

// rawRecipient returns the public key of an age recipient. ErrCard when it is
// none, or not in the one form that textRecipient gives back.
func rawRecipient(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, recipientPrefix)
	if !ok || len(digits) != recipientDigits+checksumDigits {
		return nil, fmt.Errorf("%w: recipient", ErrCard)
	}
	var key []byte
	bits, have := 0, 0
	for _, c := range []byte(digits[:recipientDigits]) {
		bits, have = bits<<5&0xfff|max(strings.IndexByte(bech32, c), 0), have+5
		if have >= 8 {
			have -= 8
			key = append(key, byte(bits>>have))
		}
	}
	if again, err := textRecipient(key); err != nil || again != text { // the checksum among others
		return nil, fmt.Errorf("%w: recipient", ErrCard)
	}
	return key, nil
}

// textRecipient writes a public key as age recipient.
func textRecipient(raw []byte) (string, error) {
	key, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return "", err
	}
	return plugin.EncodeX25519Recipient(key)
}
