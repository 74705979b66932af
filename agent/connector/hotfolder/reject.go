package hotfolder

import (
	"strings"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// Texts that this package writes are for any editor of an old Windows, which
// needs the mark and its own ends of lines.
const (
	textMark = "\uFEFF"
	lineEnd  = "\r\n"
)

// refuse sets a claim aside. The reason stands in it first, so that after a crash
// it is clear what was decided.
func (c *conn) refuse(f *tree, dir string, names []string, why error) error {
	reason := cutBytes(names[0], maxName-len(reasonExt)) + reasonExt
	if err := fsx.WriteFileOn(f.disk, dir+"/"+reason, []byte(c.reasonText(names[0], why)), 0o664); err != nil {
		return err
	}
	c.step("reason-written")
	c.env.Logger.Warn("a file was set aside", "name", names[0], "reason", why.Error())
	return c.setAside(f, dir, append(names, reason), reason)
}

// setAside moves a claim with its reason, which goes last.
func (c *conn) setAside(f *tree, dir string, names []string, reason string) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	main := strings.TrimSuffix(reason, reasonExt)
	as := func(name string, n int) string {
		if name == reason {
			return numbered(main, n, len(reasonExt)) + reasonExt
		}
		return numbered(name, n, 0)
	}
	n, err := f.free(rejectDir, func(n int) (list []string) {
		for _, name := range names {
			list = append(list, as(name, n))
		}
		return list
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == reason {
			continue
		}
		if err := c.move(f, dir+"/"+name, rejectDir+"/"+as(name, n)); err != nil {
			return err
		}
		c.step("reject-moved")
	}
	if err := c.move(f, dir+"/"+reason, rejectDir+"/"+as(reason, n)); err != nil {
		return err
	}
	c.step("reason-moved")
	return f.removeEmpty(dir)
}

// reasonText says why a file was not sent, in both languages.
func (c *conn) reasonText(name string, why error) string {
	var b strings.Builder
	b.WriteString(textMark)
	args := i18n.Args{"file": shown(name), "time": c.env.Now().In(edxml.Vietnam).Format("15:04 02/01/2006")}
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		b.WriteString(i18n.T(lang, "hotfolder.reason", args) + lineEnd)
		for _, p := range problem.All(why) {
			b.WriteString("- ")
			if p.Field != "" {
				b.WriteString(p.Field + ": ")
			}
			b.WriteString(p.Message(lang))
			if next := p.Next(lang); next != "" {
				b.WriteString(" " + next)
			}
			b.WriteString(" [" + p.Code + "]" + lineEnd)
		}
		b.WriteString(i18n.T(lang, "hotfolder.reason.again", args) + lineEnd + lineEnd)
	}
	return b.String()
}

// writeGuide writes what people read about the folders, when it is not there as
// it should be.
func writeGuide(f *tree) error {
	const name = "HUONG-DAN.txt"
	var b strings.Builder
	b.WriteString(textMark)
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		text := i18n.T(lang, "hotfolder.guide", i18n.Args{
			"gui": dropDir, "danggui": claimDir, "dagui": doneDir, "loi": rejectDir, "den": inDir, "trangthai": statusDir,
			"reason": reasonExt, "sidecar": sidecarExt,
		})
		b.WriteString(strings.ReplaceAll(text, "\n", lineEnd) + lineEnd + lineEnd)
	}
	text := b.String()
	if there, err := f.root.ReadFile(name); err == nil && string(there) == text {
		return nil
	}
	return fsx.WriteFileOn(f.disk, name, []byte(text), 0o664)
}
