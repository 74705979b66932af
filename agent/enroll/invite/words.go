package invite

import "strings"

// WordCount is how many words of Words people compare: 96 bits.
const WordCount = 6

// Words are the first twelve bytes of a SHA-256 as six words that two people
// who do not share a language can read to each other: proquints, which write
// 16 bits as consonants and vowels in turn (D. S. Wilkerson, "A Proposal for
// Proquints", arXiv:0901.4016).
func Words(sum [32]byte) string {
	const consonants, vowels = "bdfghjklmnprstvz", "aiou"
	words := make([]string, 0, WordCount)
	for i := range WordCount {
		n := uint16(sum[2*i])<<8 | uint16(sum[2*i+1])
		words = append(words, string([]byte{
			consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15], vowels[n>>4&3], consonants[n&15],
		}))
	}
	return strings.Join(words, " ")
}

// ShortCode is a form of an invite's id that people can read out and find in a
// list.
func (id ID) ShortCode() string {
	text := id.String()
	return text[:4] + "-" + text[4:8]
}
