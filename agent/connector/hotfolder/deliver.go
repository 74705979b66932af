package hotfolder

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"tram/agent/connector"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage/fsx"
)

const (
	leftPrefix  = ".tram-" // of a file that is being written into a folder for arrivals or statuses
	leftSuffix  = ".tmp"
	evidenceExt = ".asice"
	clerkOffice = "Văn thư"
	maxNamePart = 40 // bytes
)

// output is a file that an entry makes.
type output struct {
	name  string
	write func(w io.Writer) error
}

// Deliver implements [connector.Connector]. The files are whole before their names
// stand in the journal, and the journal before they get these names: so a crash
// leaves none of them twice.
func (c *conn) Deliver(ctx context.Context, d connector.Delivery) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.Close()
	if w, ok := c.log.find(d.Entry.Cursor); ok {
		return f.told(c.publish(f, w))
	}
	err = c.deliver(ctx, f, d.Entry)
	if err != nil && ctx.Err() == nil {
		c.leave()
	}
	return f.told(err)
}

func (c *conn) deliver(ctx context.Context, f *tree, e office.Entry) error {
	dir, outputs, err := c.outputs(ctx, e)
	if err != nil {
		return permanent(err)
	}
	w := written{Cursor: e.Cursor, Dir: dir}
	n, err := f.free(dir, func(n int) (list []string) {
		for _, o := range outputs {
			list = append(list, numbered(o.name, n, 0))
		}
		return list
	})
	if err != nil {
		return err
	}
	for i, o := range outputs {
		temp := leftPrefix + word(e.Cursor, maxNamePart) + "-" + string(rune('0'+i)) + leftSuffix
		if err := c.writeTemp(ctx, f, dir+"/"+temp, o); err != nil {
			for _, left := range append(w.Files, renamed{Temp: temp}) {
				err = errors.Join(err, gone(f.root.Remove(dir+"/"+left.Temp)))
			}
			return permanent(err)
		}
		w.Files = append(w.Files, renamed{temp, numbered(o.name, n, 0)})
	}
	if err := fsx.PointFolderSync.SyncDir(f.disk, dir); err != nil {
		return err
	}
	c.step("written")
	if err := c.log.add(w); err != nil {
		return err
	}
	c.step("journaled")
	return c.publish(f, w)
}

// permanent marks what the office says about the document itself, which trying
// again does not mend.
func permanent(err error) error {
	if connector.Refused(err) {
		return connector.Permanent(err)
	}
	return err
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeTemp writes an output under a name that the other software passes over.
func (c *conn) writeTemp(ctx context.Context, f *tree, temp string, o output) error {
	if err := gone(f.root.Remove(temp)); err != nil { // of an earlier try
		return err
	}
	file, err := f.disk.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o664)
	if err != nil {
		return fsx.MapError(err)
	}
	c.step("temp-made")
	w := &ending{ended: ctx.Err, w: file}
	err = o.write(w)
	if w.err != nil {
		err = fsx.MapError(w.err)
	}
	if err == nil {
		err = fsx.MapError(pointOutput.Sync(file, temp))
	}
	return errors.Join(err, file.Close())
}

// ending is a writer that ends when its caller wants, and remembers its own
// errors.
type ending struct {
	ended func() error
	w     io.Writer
	err   error
}

func (e *ending) Write(p []byte) (n int, err error) {
	if err = e.ended(); err == nil {
		n, err = e.w.Write(p)
	}
	if err != nil {
		e.err = err
	}
	return n, err
}

// publish gives the files of an entry their names. One that is no longer there
// under its first name has had its name, and may have been taken away.
func (c *conn) publish(f *tree, w written) error {
	for _, r := range w.Files {
		if err := gone(pointName.Rename(f.disk, w.Dir+"/"+r.Temp, w.Dir+"/"+r.Name)); err != nil {
			return err
		}
		c.step("named")
	}
	return fsx.PointFolderSync.SyncDir(f.disk, w.Dir)
}

// removeLeft removes what a crash left half written.
func (c *conn) removeLeft(f *tree, dir string) error {
	names, err := f.list(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n, leftPrefix) && strings.HasSuffix(n, leftSuffix) && !c.log.names(n) {
			if err := gone(f.root.Remove(dir + "/" + n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// outputs are the files of an entry; the last one is what other software looks
// for.
func (c *conn) outputs(ctx context.Context, e office.Entry) (dir string, list []output, err error) {
	doc, err := c.env.Desk.Get(ctx, e.Document)
	if err != nil {
		return "", nil, err
	}
	number := edxml.Code{Number: doc.Number, Notation: doc.Notation}.String()
	stem := strings.Trim(word(number, maxNamePart)+"_"+word(doc.From.Code, maxNamePart), "_")
	if e.Type == office.DocumentArrived {
		stem += "_" + doc.ID.String()
		if c.set.Evidence {
			list = append(list, output{stem + evidenceExt, func(w io.Writer) error { return c.env.Desk.Export(ctx, doc.ID, w) }})
		}
		return inDir, append(list, output{stem + messageExt, func(w io.Writer) error { return c.env.Desk.ExportEdXML(ctx, doc.ID, w) }}), nil
	}
	_, place, _ := strings.Cut(e.Cursor, "-")
	if e.Office != "" {
		stem += "_" + word(e.Office, maxNamePart)
	}
	if e.Type == office.DocumentFailed || e.Type == office.DocumentWithdrawn {
		return statusDir, []output{{stem + "_" + word(place, maxNamePart) + reasonExt, func(w io.Writer) error {
			_, err := io.WriteString(w, endedText(doc, e))
			return err
		}}}, nil
	}
	name := stem + "_" + string(e.Code) + "_" + word(place, maxNamePart) + messageExt
	return statusDir, []output{{name, func(w io.Writer) error { return edxml.EncodeStatus(w, c.status(doc, e)) }}}, nil
}

// status is the message behind an entry.
func (c *conn) status(doc office.Document, e office.Entry) *edxml.Status {
	by := c.env.Office
	if e.Box == office.Out {
		by = office.Party{Code: e.Office, Name: e.Office}
		for _, r := range doc.To {
			if r.Code == e.Office {
				by.Name = r.Name
			}
		}
	}
	date, _ := edxml.ParseDate(doc.Date)
	text := e.Note
	if e.Said != nil {
		text = e.Said.Text(i18n.Vietnamese)
	}
	return &edxml.Status{
		From: edxml.Organ{ID: by.Code, InCharge: by.Name, Name: by.Name}, Code: e.Code, Description: text, Time: e.At,
		ResponseFor: edxml.ResponseFor{
			OrganID: doc.From.Code, DocumentID: doc.EdXMLID, Date: date, Code: edxml.Code{Number: doc.Number, Notation: doc.Notation}.String(),
		},
		Staff: edxml.Staff{Department: clerkOffice},
	}
}

// endedText says that a document does not reach a recipient, or was withdrawn
// before it left, for which there is no status message.
func endedText(doc office.Document, e office.Entry) string {
	var b strings.Builder
	b.WriteString(textMark)
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		why := e.Note
		if e.Said != nil {
			why = e.Said.Text(lang)
		}
		key := "hotfolder.failed"
		if e.Type == office.DocumentWithdrawn {
			key = "hotfolder.withdrawn"
		}
		b.WriteString(i18n.T(lang, key, i18n.Args{
			"document": shown(doc.EdXMLID), "number": edxml.Code{Number: doc.Number, Notation: doc.Notation}.String(), "subject": shown(doc.Subject),
			"office": shown(e.Office), "why": why,
		}) + lineEnd + lineEnd)
	}
	return b.String()
}
