package office

import "tram/storage/sqlite"

// Indexes that lead to the rows of a filter.
const (
	pathSender = "documents_from"
	pathLevel  = "documents_level"
	pathDays   = "documents" // the rows themselves, which stand in the order of filing
)

// choosePath looks which index leads to the fewest rows. When that is more than a
// few, all of a box are gone over in the index that holds what is filtered by.
func (s *selection) choosePath(tx *sqlite.Tx) error {
	if s.only != nil || s.box == Out && s.parties != nil {
		return nil
	}
	least := few + 1
	try := func(path, query string, args ...any) error {
		n, err := numbersOf(tx, `SELECT count(*) FROM (`+query+` LIMIT ?)`, append(args, least)...)
		if err == nil && n[0] < int64(least) {
			s.path, least = path, int(n[0])
		}
		return err
	}
	if s.codes != nil {
		if err := try(pathSender, `SELECT 1 FROM documents INDEXED BY documents_from WHERE box = 'in' AND from_code IN `+marks(len(s.codes)), texts(s.codes)...); err != nil {
			return err
		}
	}
	if span := s.last - s.first; span < int64(least) {
		s.path, least = pathDays, int(max(span, 0))+1
	}
	if s.urgency >= 0 {
		return try(pathLevel, `SELECT 1 FROM documents INDEXED BY documents_level WHERE box = ? AND urgency = ? AND seq BETWEEN ? AND ?`,
			string(s.box), s.urgency, s.first, s.last)
	}
	return nil
}
