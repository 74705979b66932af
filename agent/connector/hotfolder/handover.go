package hotfolder

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
)

func base(p string) string { return path.Base(p) }

// passing reports whether an error only says that somebody was at the file at
// the same time.
func passing(err error) bool {
	return errors.Is(err, errChanged) || errors.Is(err, errLocked) || errors.Is(err, fs.ErrNotExist)
}

// key is the name under which the office takes what lies in a claim.
func (c *conn) key(id string) string { return connector.By(c.env.Name) + ":" + id }

// proceed brings what is claimed to its end, from whichever step it stands at.
// refuse is why it is to be set aside; nil: that shows here. Without error it may
// have to wait for another round.
func (c *conn) proceed(ctx context.Context, f *tree, id string, refuse error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := claimDir + "/" + id
	names, err := f.list(dir)
	if err != nil {
		return err
	}
	if names, err = c.withoutTemps(f, dir, names); err != nil {
		return err
	}
	if len(names) == 0 {
		return f.removeEmpty(dir)
	}
	slices.SortFunc(names, func(a, b string) int { // the main one first
		return cmp.Or(-cmp.Compare(roleOf(a), roleOf(b)), cmp.Compare(a, b))
	})
	if reason := reasonAmong(names); reason != "" {
		return c.setAside(f, dir, names, reason)
	}
	h := &handover{c: c, f: f, id: id, dir: dir, names: names}
	if refuse == nil {
		refuse, err = h.do(ctx)
	}
	if err != nil {
		return err
	}
	if refuse != nil {
		return c.refuse(f, dir, names, refuse)
	}
	if h.done {
		return c.handedOver(f, h)
	}
	return nil
}

// withoutTemps removes what a crash left of writing the reason.
func (c *conn) withoutTemps(f *tree, dir string, names []string) ([]string, error) {
	kept := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return roleOf(n) == foreignFile && !strings.HasSuffix(n, reasonExt) })
	if len(kept) == len(names) {
		return names, nil
	}
	return kept, fsx.RemoveTemps(f.disk, dir)
}

func reasonAmong(names []string) string {
	for _, n := range names {
		if strings.HasSuffix(n, reasonExt) {
			return n
		}
	}
	return ""
}

// handover is a claim while it is given to the office.
type handover struct {
	c     *conn
	f     *tree
	id    string
	dir   string
	names []string // the main one first
	done  bool     // the office has it
	doc   storage.ID
}

// do gives a claim to the office. It returns why the office, or this connector,
// refuses it. Without refusal and done it has to wait.
func (h *handover) do(ctx context.Context) (refuse, err error) {
	rest := true
	for _, name := range h.names {
		v, _, err := h.c.look(ctx, h.f, h.dir+"/"+name)
		if err != nil {
			return nil, err
		}
		if p := h.c.refused(v, name); p != nil {
			return p, nil
		}
		rest = rest && v == ready
	}
	if !rest {
		return nil, nil
	}
	main := h.names[0]
	switch roleOf(main) {
	case messageFile:
		return h.message(ctx, main)
	case sidecarFile:
		return h.files(ctx, main)
	}
	return problem.New(problem.Usage, "hotfolder.alone", "files", i18n.Args{"file": shown(main), "minutes": int(h.c.set.wait.Minutes())}), nil
}

func (h *handover) message(ctx context.Context, name string) (refuse, err error) {
	body, err := h.c.reopen(h.f, h.dir+"/"+name, h.c.seen.of(h.dir+"/"+name))
	if err != nil {
		return nil, h.again(name, err)
	}
	defer body.Close()
	h.c.step("before-office")
	done, err := h.c.env.Desk.Import(ctx, office.Handover{Body: body, Name: name, By: connector.By(h.c.env.Name), Key: h.c.key(h.id)})
	if body.err != nil {
		return nil, h.again(name, body.err)
	}
	h.doc = done.Document.ID
	return h.answered(err)
}

// again has a file looked at anew that somebody changed; other errors stay.
func (h *handover) again(name string, err error) error {
	if passing(err) {
		h.c.seen.forget(h.dir + "/" + name)
		return nil
	}
	return err
}

// answered sorts the office's answer: taken, refused for good, or an error that
// may pass.
func (h *handover) answered(err error) (refuse, failed error) {
	if err == nil {
		h.done = true
		h.c.step("after-office")
		return nil, nil
	}
	if !connector.Refused(err) {
		return nil, err
	}
	return err, nil
}

// files sends what a sidecar names.
func (h *handover) files(ctx context.Context, main string) (refuse, err error) {
	s := h.c.seen.of(h.dir + "/" + main)
	card, wrong, err := h.c.card(h.f, h.dir+"/"+main, s)
	if err != nil || wrong != nil || card == nil {
		return wrong, err
	}
	if h.missing(card) {
		// Is it handed over, with a part of it moved on already?
		doc, err := h.c.env.Desk.Send(ctx, office.Draft{Key: h.c.key(h.id)})
		if err == nil {
			h.done, h.doc = true, doc.ID
			return nil, nil
		}
		if !connector.Refused(err) {
			return nil, err
		}
		if err := h.gather(ctx, card); err != nil {
			return nil, err
		}
	}
	if faults := h.faults(card); len(faults) > 0 {
		if h.c.clock()-s.read < h.c.set.wait {
			return nil, nil
		}
		return faults, nil
	}
	return h.send(ctx, card)
}

func (h *handover) missing(card *sidecar) bool {
	return slices.ContainsFunc(card.Files, func(n named) bool {
		_, one := find(n.Name, h.names[1:])
		return !one
	})
}

// gather takes the files of a sidecar that a crash left in the first folder.
func (h *handover) gather(ctx context.Context, card *sidecar) error {
	h.c.moving.Lock() // nobody else looks at the first folder
	defer h.c.moving.Unlock()
	dropped, err := h.f.list(dropDir)
	if err != nil {
		return err
	}
	for _, n := range card.Files {
		if _, there := find(n.Name, h.names[1:]); there {
			continue
		}
		file, one := find(n.Name, dropped)
		if !one {
			continue
		}
		if v, _, err := h.c.look(ctx, h.f, dropDir+"/"+file); err != nil || v != ready {
			if err != nil {
				return err
			}
			continue
		}
		if err := h.c.move(h.f, dropDir+"/"+file, h.dir+"/"+file); err != nil {
			return err
		}
		h.c.step("file-claimed-late")
		h.names = append(h.names, file)
	}
	return errors.Join(fsx.PointFolderSync.SyncDir(h.f.disk, h.dir), fsx.PointFolderSync.SyncDir(h.f.disk, dropDir))
}

// faults are the files of a sidecar that are not there as it says.
func (h *handover) faults(card *sidecar) (list problem.List) {
	for _, n := range card.Files {
		args := i18n.Args{"file": shown(n.Name)}
		if file, one := find(n.Name, h.names[1:]); !one {
			list = append(list, problem.New(problem.Usage, "hotfolder.missing", "files", args))
		} else if !n.agrees(h.c.seen.of(h.dir + "/" + file)) {
			list = append(list, problem.New(problem.Usage, "hotfolder.differs", "files", args))
		}
	}
	return list
}

func (h *handover) send(ctx context.Context, card *sidecar) (refuse, err error) {
	d := card.draft()
	d.By, d.Key = connector.By(h.c.env.Name), h.c.key(h.id)
	bodies := map[string]*checked{}
	for _, n := range card.Files {
		file, _ := find(n.Name, h.names[1:])
		body, err := h.c.reopen(h.f, h.dir+"/"+file, h.c.seen.of(h.dir+"/"+file))
		if err != nil {
			return nil, h.again(file, err)
		}
		defer body.Close()
		bodies[file] = body
		d.Files = append(d.Files, office.Upload{Name: file, Body: body})
	}
	h.c.step("before-office")
	doc, err := h.c.env.Desk.Send(ctx, d)
	for file, body := range bodies {
		if body.err != nil {
			return nil, h.again(file, body.err)
		}
	}
	h.doc = doc.ID
	return h.answered(err)
}

// handedOver moves what the office has, the main one last: until then it is
// known what the rest belongs to.
func (c *conn) handedOver(f *tree, h *handover) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	n, err := f.free(doneDir, func(n int) (list []string) {
		for _, name := range h.names {
			list = append(list, numbered(name, n, 0))
		}
		return list
	})
	if err != nil {
		return err
	}
	if err := c.noteKept(f, h, n); err != nil {
		return err
	}
	for i := len(h.names) - 1; i >= 0; i-- {
		if err := c.move(f, h.dir+"/"+h.names[i], doneDir+"/"+numbered(h.names[i], n, 0)); err != nil {
			return err
		}
		c.step("file-moved")
	}
	c.env.Logger.Info("a file was handed over", "name", h.names[0], "document", h.doc.String())
	return f.removeEmpty(h.dir)
}
