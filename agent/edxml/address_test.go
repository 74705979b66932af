package edxml

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// circular is a message to three offices as other software writes it.
const circular = "<?xml version=\"1.0\"?>\r\n<e:edXML xmlns:e=\"" + Namespace + `"><e:edXMLEnvelope><e:edXMLHeader><e:MessageHeader>
<e:From><e:OrganId>H40.12</e:OrganId></e:From><e:To><e:OrganName>A &amp; B</e:OrganName><e:OrganId> G22
</e:OrganId></e:To><!-- <To> --><e:To><e:OrganId>H40.15</e:OrganId></e:To> <e:To><e:OrganId><![CDATA[H40.16]]></e:OrganId></e:To>
<e:Code><e:CodeNumber>1</e:CodeNumber></e:Code><e:Subject>To G22</e:Subject><e:Khac><e:To/></e:Khac></e:MessageHeader></e:edXMLHeader></e:edXMLEnvelope></e:edXML>`

func TestAddressedLeavesTheOtherRecipientsOutAndNothingElse(t *testing.T) {
	for _, c := range []struct{ keep, gone string }{
		{"G22", "<e:To><e:OrganId>H40.15</e:OrganId></e:To>|<e:To><e:OrganId><![CDATA[H40.16]]></e:OrganId></e:To>"},
		{"H40.16", "<e:To><e:OrganName>A &amp; B</e:OrganName><e:OrganId> G22\n</e:OrganId></e:To>|<e:To><e:OrganId>H40.15</e:OrganId></e:To>"},
		{"G22 H40.15 H40.16", ""},
	} {
		for _, bom := range []string{"", byteOrderMark} {
			want := bom + circular
			for _, gone := range strings.Split(c.gone, "|") {
				want = strings.Replace(want, gone, "", 1)
			}
			got, err := Addressed([]byte(bom+circular), func(code string) bool { return strings.Contains(" "+c.keep+" ", " "+code+" ") })
			if err != nil || string(got) != want {
				t.Errorf("%s: %v\n%s\nwant\n%s", c.keep, err, got, want)
			}
			msg, _, err := Decode(bytes.NewReader(got))
			if err != nil || len(msg.(*Document).To) != len(strings.Fields(c.keep)) {
				t.Errorf("%s: %+v %v", c.keep, msg, err)
			}
		}
	}
	if _, err := Addressed([]byte(circular), func(string) bool { return false }); !errors.Is(err, ErrNobody) {
		t.Errorf("for nobody: %v", err)
	}
}
