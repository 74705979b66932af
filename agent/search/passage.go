package search

import (
	"unicode/utf8"

	"tram/storage/sqlite"
)

// maxPassageText bounds how much text of files one page of results looks through
// for passages, in bytes. A word behind it is found, and not shown.
const maxPassageText = 512 << 10

// FieldText is the text of a file, in passages.
const FieldText Field = "text"

// passage looks in the files of a document for words that its fields do not have;
// seen are those that they have.
func (p *plan) passage(tx *sqlite.Tx, m *marker, seq int64, seen []bool) (*Snippet, error) {
	rows, err := tx.Query(`SELECT t.text FROM search_files f JOIN search_texts t ON t.sha256 = f.sha256
		WHERE f.document = ? AND length(t.text) > 0 ORDER BY f.idx`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && p.files > 0 {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return nil, err
		}
		text, err := unpack(packed, p.files)
		if err != nil {
			return nil, err
		}
		s, read := m.around(text, seen)
		if p.files -= read; s != nil {
			return s, nil
		}
	}
	return nil, rows.Err()
}

// around is the part of a text around the first word that is still missing, with
// the number of bytes that were read.
func (m *marker) around(text string, seen []bool) (s *Snippet, read int) {
	missing := &marker{}
	for i, ok := range seen {
		if !ok {
			missing.words, missing.open = append(missing.words, m.words[i]), append(missing.open, m.open[i])
		}
	}
	at := missing.first(text)
	if at < 0 {
		return nil, len(text)
	}
	from, to := at, at
	for n := 0; from > 0 && n < snippetLead; n++ {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	for n := 0; to < len(text) && n < snippetRunes-snippetLead; n++ {
		_, size := utf8.DecodeRuneInString(text[to:])
		to += size
	}
	part := text[from:to]
	return &Snippet{Field: FieldText, Text: part, Cut: len(part) < len(text), Marks: m.find(part, make([]bool, len(m.words)))}, to
}

// first is where the first word of m begins, negative for nowhere.
func (m *marker) first(text string) int {
	start := -1
	seen := make([]bool, len(m.words))
	for i, r := range text {
		switch {
		case inWord(r) && start < 0:
			start = i
		case !inWord(r) && start >= 0:
			if m.hit(text[start:i], seen) {
				return start
			}
			start = -1
		}
	}
	if start >= 0 && m.hit(text[start:], seen) {
		return start
	}
	return -1
}
