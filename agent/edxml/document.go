package edxml

import "strings"

func (m *mapper) document(root, envelope, header, n *node) (*Document, error) {
	d := &Document{
		From: m.organ(n.child("From")), ID: m.id(n, "DocumentId"),
		Subject: m.text(n, "Subject"), Content: m.text(n, "Content"),
		Due: m.date(n, "DueDate"), SteeringType: m.text(n, "SteeringType"),
		ApplicationType: m.text(n, "ApplicationType"),
	}
	for _, to := range n.all("To") {
		o := m.organ(to)
		if o.ID == "" {
			m.warn(WarnOrgan, "To", o.Name)
			continue
		}
		d.To = append(d.To, o)
	}
	m.headerParts(d, n)
	m.trace(d, header.child("TraceHeaderList"))
	m.signature(d, header)
	m.manifest(d, envelope.child("edXMLBody").child("edXMLManifest"))
	if err := required(d); err != nil {
		return nil, err
	}
	if err := m.embedded(d, root); err != nil {
		return nil, err
	}
	m.judge(d)
	return d, nil
}

// required refuses what cannot be filed.
func required(d *Document) error {
	switch {
	case d.From.ID == "":
		return lacks("From/OrganId")
	case len(d.To) == 0:
		return lacks("To/OrganId")
	case d.Code == Code{}:
		return lacks("Code")
	case d.Subject == "":
		return lacks("Subject")
	}
	return nil
}

func (m *mapper) headerParts(d *Document, n *node) {
	if c := n.child("Code"); c != nil {
		d.Code = Code{m.text(c, "CodeNumber"), m.text(c, "CodeNotation")}
	}
	if c := n.child("PromulgationInfo"); c != nil {
		d.Place, d.Date = m.text(c, "Place"), m.date(c, "PromulgationDate")
	}
	if c := n.child("DocumentType"); c != nil {
		d.Type = Type{m.text(c, "Type"), m.text(c, "TypeDetail"), m.text(c, "TypeName")}
	}
	if c := n.child("SignerInfo"); c != nil {
		d.Signer = Signer{m.text(c, "Competence"), m.text(c, "Position"), m.text(c, "FullName")}
	}
	if c := n.child("OtherInfo"); c != nil {
		d.Other = m.other(c)
	}
	for _, c := range n.all("ResponseFor") {
		if r := m.responseFor(c); r != (ResponseFor{}) {
			d.ResponseFor = append(d.ResponseFor, r)
		}
	}
	d.TaskCodes = m.list(n.child("ResponseForTask"), "TaskCode")
	d.ToPlaces = m.list(n.child("ToPlaces"), "Place")
}

func (m *mapper) other(n *node) Other {
	return Other{
		Priority: m.text(n, "Priority"), Sphere: m.text(n, "SphereOfPromulgation"),
		Typist: m.text(n, "TyperNotation"), Amount: m.text(n, "PromulgationAmount"),
		Pages: m.text(n, "PageAmount"), Direction: m.text(n, "Direction"),
		Appendixes: m.list(n.child("Appendixes"), "Appendix"),
		ReplyFors:  m.text(n, "ReplyFors"), ReferenceCodes: m.text(n, "ReferenceCodes"),
	}
}

func (m *mapper) trace(d *Document, n *node) {
	for _, c := range n.all("TraceHeader") {
		c.seen = true
		stamp := m.id(c, "Timestamp")
		at, ok := parseTime(stamp)
		if !ok {
			m.warn(WarnDate, "Timestamp", stamp)
		}
		d.Trace = append(d.Trace, Trace{m.id(c, "OrganId"), at})
	}
	if n != nil {
		d.Business = m.business(n.child("Bussiness", "Business"))
	}
}

func (m *mapper) business(n *node) *Business {
	if n == nil {
		return nil
	}
	b := &Business{
		DocumentID: m.id(n, "DocumentId"),
		Operation:  Operation(m.text(n, "BussinessDocType", "BusinessDocType")),
		Reason:     m.text(n, "BussinessDocReason", "BusinessDocReason"),
		Paper:      m.text(n, "Paper"),
		Staff:      m.staff(n.child("StaffInfo")),
	}
	if u := n.child("BussinessDocumentInfo", "BusinessDocumentInfo"); u != nil {
		b.Update = &Update{Content: m.text(u, "DocumentInfo"), Recipients: m.text(u, "DocumentReceiver")}
		for _, r := range u.child("ReceiverList").all("Receiver") {
			r.seen = true
			b.Update.Receivers = append(b.Update.Receivers, Receiver{m.id(r, "OrganId"), m.text(r, "ReceiverType")})
		}
	}
	for _, r := range n.child("ReplacementInfoList").all("ReplacementInfo") {
		r.seen = true
		b.Replacements = append(b.Replacements, Replacement{m.id(r, "DocumentId"), m.ids(r.child("OrganIdList"))})
	}
	return b
}

func (m *mapper) ids(n *node) []string {
	var out []string
	for _, c := range n.all("OrganId") {
		c.seen = true
		if v := m.value(c); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// signature keeps the bytes of the decorative signature.
func (m *mapper) signature(d *Document, header *node) {
	for _, c := range header.children {
		if c.name.Local != "Signature" && c.name.Local != "DigitalSignature" {
			continue
		}
		c.seen = true
		markSeen(c)
		if d.Signature == nil {
			d.Signature = m.data[c.start:c.end]
		}
	}
}

func markSeen(n *node) {
	for _, c := range n.children {
		c.seen = true
		markSeen(c)
	}
}

func (m *mapper) manifest(d *Document, n *node) {
	seen := map[string]bool{}
	for _, c := range n.all("Reference") {
		c.seen = true
		r := m.reference(c)
		if seen[r.ContentID] {
			m.warn(WarnDuplicate, "ContentId", r.ContentID)
		}
		seen[r.ContentID] = true
		d.Manifest = append(d.Manifest, r)
	}
}

func (m *mapper) reference(n *node) Reference {
	for _, extra := range n.all("FieldName", "MimeType", "Format") {
		extra.seen = true
	}
	r := Reference{
		ContentID: m.id(n, "ContentId"), ContentType: m.text(n, "ContentType"),
		Description: m.text(n, "Description"), Name: m.text(n, "AttachmentName"),
	}
	if r.ContentID == "" {
		for _, a := range n.attrs {
			if a.Name.Local == "href" {
				r.ContentID = a.Value
			}
		}
	}
	r.ContentID = strings.TrimSpace(strings.TrimPrefix(r.ContentID, "cid:"))
	return r
}

// embedded lists the attachments that the message carries in itself. When
// there are any, or must be, each reference of the manifest needs one.
func (m *mapper) embedded(d *Document, root *node) error {
	holders := root.all("AttachmentEncoded")
	if len(holders) == 0 && !m.full {
		return nil
	}
	have := map[string]bool{}
	for _, holder := range holders {
		holder.seen = true
		for _, c := range holder.all("Attachment") {
			c.seen = true
			c.child("ContentTransferEncoded")
			r := m.reference(c)
			if have[r.ContentID] {
				m.warn(WarnDuplicate, "Attachment/ContentId", r.ContentID)
			}
			have[r.ContentID] = true
			d.Embedded = append(d.Embedded, r)
			m.attached = append(m.attached, c)
		}
	}
	named := map[string]bool{}
	for _, r := range d.Manifest {
		if !have[r.ContentID] {
			return errNoAttachment(r)
		}
		named[r.ContentID] = true
	}
	for _, r := range d.Embedded {
		if !named[r.ContentID] {
			m.warn(WarnUnlisted, "Attachment", r.Name)
		}
	}
	return nil
}
