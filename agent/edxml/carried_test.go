package edxml

import "testing"

// TestCarriedNamesEachPlace, also of attachments that the manifest does not
// name, or whose name stands there alone.
func TestCarriedNamesEachPlace(t *testing.T) {
	places := 0
	for _, folder := range []string{"messages", "odd"} {
		for name, data := range samples(t, folder, 15) {
			f, _ := read(t, data)
			refs, err := Carried(f.Skeleton)
			if err != nil || len(refs) != f.Contents {
				t.Errorf("%s: %d places of %d, %v", name, len(refs), f.Contents, err)
				continue
			}
			for _, a := range f.Attachments {
				if refs[a.Content].Name != a.Name || refs[a.Content].ContentID != a.ContentID {
					t.Errorf("%s: place %d is %+v, the attachment %+v", name, a.Content, refs[a.Content], a.Reference)
				}
			}
			places += len(refs)
		}
	}
	if places < 20 {
		t.Errorf("only %d places were looked at", places)
	}
	if refs, err := Carried(sample(t, "document.edxml")); err != nil || refs != nil {
		t.Errorf("a message with its attachments beside it: %v, %v", refs, err)
	}
	if _, err := Carried([]byte("<x/>")); err == nil {
		t.Error("another dialect was read")
	}
}
