package hotfolder

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// batch is how many files are claimed before the folders are synced.
const batch = 16

// unit is what is handed over as one: a message, or a sidecar with its files.
type unit struct {
	main   string
	files  []string
	refuse error // why it is set aside; nil: it is to be sent
}

// collect goes on with what is claimed, then takes what is ready. What goes wrong
// with one file does not keep the others.
func (c *conn) collect(ctx context.Context, f *tree) error {
	claims, err := f.list(claimDir)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range claims {
		if uuid.Validate(id) == nil {
			failed = append(failed, c.proceed(ctx, f, id, nil))
		}
	}
	units, err := c.units(ctx, f)
	failed = append(failed, err)
	for some := range slices.Chunk(units, batch) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, c.claimAll(ctx, f, some))
	}
	return errors.Join(append(failed, c.clean(ctx, f))...)
}

// claimAll claims units, makes that durable, and hands them over: the office must
// not have a file that could be found once more after a power cut.
func (c *conn) claimAll(ctx context.Context, f *tree, units []unit) error {
	var failed []error
	claims := map[string]error{}
	var order []string
	for _, u := range units {
		id, err := c.claim(f, u)
		failed = append(failed, err)
		if err == nil && id != "" {
			claims[id] = u.refuse
			order = append(order, id)
		}
	}
	dirs := []string{dropDir, claimDir}
	for _, id := range order {
		dirs = append(dirs, claimDir+"/"+id)
	}
	for _, dir := range dirs {
		if err := fsx.PointFolderSync.SyncDir(f.disk, dir); err != nil {
			return errors.Join(append(failed, err)...)
		}
	}
	c.step("claimed")
	results := make([]error, len(order))
	c.each(len(order), func(i int) { results[i] = c.proceed(ctx, f, order[i], claims[order[i]]) })
	return errors.Join(append(failed, results...)...)
}

// each does n things, some at a time. A panic of one is one of the caller.
func (c *conn) each(n int, do func(i int)) {
	if c.workers == 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var running sync.WaitGroup
	var once sync.Once
	var broken any
	for range min(n, c.workers) {
		running.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					once.Do(func() { broken = r })
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	running.Wait()
	if broken != nil {
		panic(broken)
	}
}

// claim moves a unit into a folder of its own, the sidecar first: a folder
// without one is not handed over. The name of the folder is the key. id is "" when
// the file is gone or held.
func (c *conn) claim(f *tree, u unit) (id string, err error) {
	key, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	dir := claimDir + "/" + key.String()
	if err := f.root.Mkdir(dir, 0o775); err != nil {
		return "", err
	}
	c.step("folder-made")
	for i, name := range append([]string{u.main}, u.files...) {
		if err := c.move(f, dropDir+"/"+name, dir+"/"+name); err != nil {
			if i > 0 {
				return key.String(), nil // it is looked for again
			}
			if passing(err) {
				err = nil
			}
			return "", errors.Join(err, f.root.Remove(dir))
		}
		c.step("file-claimed")
	}
	return key.String(), nil
}

// move renames a file, and takes along what is known of it.
func (c *conn) move(f *tree, from, to string) error {
	if err := pointMove.Rename(f.disk, from, to); err != nil {
		return busy(err)
	}
	if s := c.seen.of(from); s != nil {
		c.seen.forget(from)
		s.round = c.round
		c.seen.put(to, s)
	}
	return nil
}

// units lists what lies in the first folder and is to be taken now.
func (c *conn) units(ctx context.Context, f *tree) ([]unit, error) {
	names, err := f.list(dropDir)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return roleOf(n) == foreignFile })
	slices.Sort(names)
	r := &scan{c: c, f: f, verdicts: map[string]verdict{}, spoken: map[string]bool{}}
	var failed []error
	for _, name := range names {
		v, _, err := c.look(ctx, f, dropDir+"/"+name)
		if err != nil {
			failed = append(failed, err)
		}
		r.verdicts[name] = v
		if roleOf(name) == plainFile {
			r.plain = append(r.plain, name)
		}
	}
	for _, name := range names {
		switch roleOf(name) {
		case messageFile:
			r.message(name)
		case sidecarFile:
			failed = append(failed, r.sidecar(name))
		}
	}
	r.alone()
	return r.units, errors.Join(failed...)
}

// scan is one look through the first folder.
type scan struct {
	c        *conn
	f        *tree
	plain    []string
	verdicts map[string]verdict
	spoken   map[string]bool // plain files that a sidecar names
	open     bool            // a sidecar is not yet to be read
	units    []unit
}

func (r *scan) message(name string) {
	if v := r.verdicts[name]; v == ready {
		r.units = append(r.units, unit{main: name})
	} else if p := r.c.refused(v, name); p != nil {
		r.units = append(r.units, unit{main: name, refuse: p})
	}
}

func (r *scan) sidecar(name string) error {
	v := r.verdicts[name]
	if v != ready {
		if p := r.c.refused(v, name); p != nil {
			r.units = append(r.units, unit{main: name, refuse: p})
		}
		r.open = r.open || v == waiting
		return nil
	}
	s := r.c.seen.of(dropDir + "/" + name)
	card, wrong, err := r.c.card(r.f, dropDir+"/"+name, s)
	if err != nil || card == nil && wrong == nil {
		r.open = true
		return err
	}
	if wrong != nil {
		r.units = append(r.units, unit{main: name, refuse: wrong})
		return nil
	}
	u := unit{main: name}
	var faults problem.List
	for _, n := range card.Files {
		file, fault := r.named(n)
		if fault != nil {
			faults = append(faults, fault)
		}
		if file != "" && !r.spoken[file] {
			r.spoken[file] = true
			u.files = append(u.files, file)
		}
	}
	if len(faults) > 0 {
		if r.c.clock()-s.read < r.c.set.wait {
			return nil
		}
		u.refuse = faults
	}
	r.units = append(r.units, u)
	return nil
}

// named finds a file that a sidecar names; fault is why it cannot be taken now.
func (r *scan) named(n named) (file string, fault *problem.Problem) {
	args := i18n.Args{"file": shown(n.Name)}
	file, one := find(n.Name, r.plain)
	switch {
	case !one || r.spoken[file]:
		return "", problem.New(problem.Usage, "hotfolder.missing", "files", args)
	case r.verdicts[file] != ready:
		if p := r.c.refused(r.verdicts[file], file); p != nil {
			return file, p
		}
		return file, problem.New(problem.Usage, "hotfolder.unsettled", "files", args)
	case !n.agrees(r.c.seen.of(dropDir + "/" + file)):
		return file, problem.New(problem.Usage, "hotfolder.differs", "files", args)
	}
	return file, nil
}

// alone sets plain files aside that no sidecar has named for long enough.
func (r *scan) alone() {
	if r.open {
		return
	}
	for _, name := range r.plain {
		s := r.c.seen.of(dropDir + "/" + name)
		if r.spoken[name] || s == nil || r.c.clock()-s.since < r.c.set.wait {
			continue
		}
		why := r.c.refused(r.verdicts[name], name)
		if why == nil {
			why = problem.New(problem.Usage, "hotfolder.alone", "files", i18n.Args{"file": shown(name), "minutes": int(r.c.set.wait / time.Minute)})
		}
		r.units = append(r.units, unit{main: name, refuse: why})
	}
}

// refused is the reason behind a verdict that ends with the file set aside.
func (c *conn) refused(v verdict, name string) *problem.Problem {
	args := i18n.Args{"file": shown(name), "minutes": int(c.set.wait / time.Minute)}
	switch v {
	case incomplete:
		return problem.New(problem.Usage, "hotfolder.incomplete", "files", args)
	case irregular:
		return problem.New(problem.Usage, "hotfolder.irregular", "files", args)
	case denied:
		return problem.New(problem.Usage, "hotfolder.denied", "files", args)
	}
	return nil
}

// card reads a sidecar that is ready, once. Without card and wrong it changed
// meanwhile.
func (c *conn) card(f *tree, path string, s *sighting) (card *sidecar, wrong, err error) {
	if s.card != nil || s.wrong != nil {
		return s.card, s.wrong, nil
	}
	r, err := c.reopen(f, path, s)
	if err == nil {
		defer r.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(r, maxSidecar+1)); err == nil {
			s.card, s.wrong = decodeSidecar(data, base(path))
			return s.card, s.wrong, nil
		}
	}
	if passing(err) {
		c.seen.forget(path)
		return nil, nil, nil
	}
	return nil, nil, err
}
