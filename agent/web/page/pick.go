package page

import (
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"sync"
	"text/template/parse"
)

// templates are the pages of a site, each parsed when it is first asked for: people
// use a few of them, and the trees of all were most of what the program had in memory.
// Safe for concurrent use.
type templates struct {
	own   fs.FS
	pages map[string]pageFile // by name

	mu   sync.Mutex // guards what follows
	base *template.Template
	made map[string]*template.Template
}

// pageFile is where a page is.
type pageFile struct {
	from fs.FS
	file string
}

// listTemplates finds the pages of every site and those of own.
func listTemplates(own fs.FS) (*templates, error) {
	t := &templates{own: own, pages: map[string]pageFile{}, made: map[string]*template.Template{}}
	for _, from := range []fs.FS{files, own} {
		names, err := fs.Glob(from, "templates/*.html")
		if err != nil {
			return nil, fmt.Errorf("list templates: %w", err)
		}
		for _, file := range names {
			name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
			if name != "layout" && !strings.HasSuffix(name, "parts") {
				t.pages[name] = pageFile{from, file}
			}
		}
	}
	return t, nil
}

// get is a page inside the layout.
func (t *templates) get(name string) (*template.Template, error) {
	at, ok := t.pages[name]
	if !ok {
		return nil, fmt.Errorf("no template %q", name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if made := t.made[name]; made != nil {
		return made, nil
	}
	var err error
	if t.base == nil {
		if t.base, err = parseBase(t.own); err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
	}
	made, err := pageOf(t.base, at.from, at.file)
	if err != nil {
		return nil, fmt.Errorf("parse template %s: %w", name, err)
	}
	t.made[name] = made
	return made, nil
}

// parseBase parses the layout, and the parts that pages share.
func parseBase(own fs.FS) (*template.Template, error) {
	base, err := template.New("layout").ParseFS(files, "templates/layout.html", "templates/*parts.html")
	if err != nil {
		return nil, err
	}
	parts, err := fs.Glob(own, "templates/*parts.html")
	if err != nil || len(parts) == 0 {
		return base, err
	}
	return base.ParseFS(own, parts...)
}

// pageOf is a page inside the layout of base, with copies of those parts of base alone
// that it uses: a page escapes its trees in place.
func pageOf(base *template.Template, from fs.FS, file string) (*template.Template, error) {
	own, err := template.ParseFS(from, file)
	if err != nil {
		return nil, err
	}
	tree := func(name string) *parse.Tree {
		if t := own.Lookup(name); t != nil && t.Tree != nil {
			return t.Tree
		}
		if t := base.Lookup(name); t != nil {
			return t.Tree
		}
		return nil
	}
	used := map[string]*parse.Tree{}
	use(tree, "layout", used)
	for _, t := range own.Templates() {
		use(tree, t.Name(), used)
	}
	picked := template.New("layout")
	for name, t := range used {
		if _, err := picked.AddParseTree(name, t.Copy()); err != nil {
			return nil, err
		}
	}
	return picked, nil
}

// use adds the tree of a template and of what it calls.
func use(tree func(name string) *parse.Tree, name string, used map[string]*parse.Tree) {
	t := tree(name)
	if used[name] != nil || t == nil {
		return
	}
	used[name] = t
	calls(t.Root, func(name string) { use(tree, name, used) })
}

// calls tells of the templates that a node calls.
func calls(n parse.Node, called func(name string)) {
	branch := func(b parse.BranchNode) {
		calls(b.List, called)
		if b.ElseList != nil {
			calls(b.ElseList, called)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			calls(child, called)
		}
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.TemplateNode:
		called(n.Name)
	}
}
