package edxml

import "bytes"

// Carried returns, for each place of a skeleton ([Full.Skeleton]), the
// attachment that it belongs to; one without a name has that of its reference
// in the manifest. It is nil for a message whose attachments travel beside it.
func Carried(skeleton []byte) ([]Reference, error) {
	s, err := split(bytes.NewReader(skeleton), ReadOptions{MaxAttachments: MaxElements})
	if err != nil {
		return nil, err
	}
	root, err := parse(bytes.TrimPrefix(s.skeleton, []byte(byteOrderMark)))
	if err != nil {
		return nil, err
	}
	if err := checkDialect(root); err != nil {
		return nil, err
	}
	refs := contentNames(root)
	if len(refs) != len(s.places) {
		return nil, errPlaces(len(refs), len(s.places))
	}
	return refs, nil
}
