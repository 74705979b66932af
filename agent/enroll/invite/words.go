package invite

import "strings"

// WordCount is how many words of Words people compare: 96 bits.
const WordCount = 6

// consonants and vowels spell four and two bits.
const consonants, vowels = "bdfghjklmnprstvz", "aiou"

// Words are the first twelve bytes of a SHA-256 as six words that two people
// who do not share a language can read to each other: proquints, which write
// 16 bits as consonants and vowels in turn (D. S. Wilkerson, "A Proposal for
// Proquints", arXiv:0901.4016).
func Words(sum [32]byte) string {
	words := make([]string, 0, WordCount)
	for i := range WordCount {
		words = append(words, Word(uint16(sum[2*i])<<8|uint16(sum[2*i+1])))
	}
	return strings.Join(words, " ")
}

// Word is one such word.
func Word(n uint16) string {
	return string([]byte{consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15], vowels[n>>4&3], consonants[n&15]})
}

// ReadWord reads one back; false for what is none.
func ReadWord(word string) (n uint16, ok bool) {
	if len(word) != 5 {
		return 0, false
	}
	for i := range len(word) {
		letters, bits := consonants, 4
		if i%2 == 1 {
			letters, bits = vowels, 2
		}
		at := strings.IndexByte(letters, word[i])
		if at < 0 {
			return 0, false
		}
		n = n<<bits | uint16(at)
	}
	return n, true
}

// ShortCode is a form of an invite's id that people can read out and find in a
// list.
func (id ID) ShortCode() string {
	text := id.String()
	return text[:4] + "-" + text[4:8]
}
