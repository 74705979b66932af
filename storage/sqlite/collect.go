package sqlite

import "database/sql"

// Collect reads all rows of a query, each by scan.
func Collect[T any](tx *Tx, scan func(rows *sql.Rows, v *T) error, query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// Column reads all rows of a query of one column.
func Column[T any](tx *Tx, query string, args ...any) ([]T, error) {
	return Collect(tx, func(rows *sql.Rows, v *T) error { return rows.Scan(v) }, query, args...)
}
