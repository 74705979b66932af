package page

import (
	"html/template"
	"io/fs"
	"text/template/parse"
)

// pageOf is a page inside the layout of base, with those parts of base alone that it
// uses: each page has trees of its own, and all of them in each would be most of what
// the program has in memory.
func pageOf(base *template.Template, from fs.FS, file string) (*template.Template, error) {
	own, err := template.ParseFS(from, file)
	if err != nil {
		return nil, err
	}
	all, err := template.Must(base.Clone()).ParseFS(from, file)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	use(all, "layout", used)
	for _, t := range own.Templates() {
		use(all, t.Name(), used)
	}
	picked := template.New("layout")
	for name := range used {
		if _, err := picked.AddParseTree(name, all.Lookup(name).Tree); err != nil {
			return nil, err
		}
	}
	return picked, nil
}

// use adds a template and what it calls.
func use(all *template.Template, name string, used map[string]bool) {
	t := all.Lookup(name)
	if used[name] || t == nil || t.Tree == nil {
		return
	}
	used[name] = true
	calls(t.Tree.Root, func(name string) { use(all, name, used) })
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
