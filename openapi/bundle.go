package openapi

import (
	"fmt"
	"path"
	"strings"

	"portico/openapi/tree"
)

// bundle puts a document in several files into one tree. What stands in
// another file and is a component (a schema, a response, …) becomes one of the
// document's components, once, under a name made of its own; all else takes
// the place of the reference. References to what is not there stay as they
// are, which makes a finding of them.
func bundle(a *Archive, limits Limits, found *findings) (*tree.Tree, error) {
	b := &bundler{
		archive: a, limits: limits, found: found, out: tree.NewBuilder(limits.tree()),
		trees: make(map[string]*tree.Tree), names: make(map[target]string), taken: make(map[string]bool),
	}
	root, err := parse(a.Files[a.Root], a.Root, limits)
	if err != nil {
		return nil, err
	}
	b.trees[a.Root] = root
	b.swagger = root.Root().Get("swagger").Exists()
	b.document(root.Root())
	return b.out.Tree()
}

// target is a value in a file.
type target struct{ file, pointer, section string }

type bundler struct {
	archive *Archive
	limits  Limits
	found   *findings
	out     *tree.Builder
	swagger bool
	trees   map[string]*tree.Tree // by file; nil for one that cannot be read

	names   map[target]string // of components that came from other files
	taken   map[string]bool   // "schemas/Pet"
	pending []target          // named, and not added yet
	inline  []target          // being put in place of a reference, outermost first
}

// sections are the kinds of component, each before those that it may refer to.
func (b *bundler) sections() []string {
	if b.swagger {
		return []string{"responses", "parameters", "definitions"}
	}
	return []string{"callbacks", "requestBodies", "responses", "parameters", "headers", "links", "examples", "securitySchemes", "schemas"}
}

// holder is the value whose members the sections are.
func (b *bundler) holder(root tree.Node) tree.Node {
	if b.swagger {
		return root
	}
	return root.Get("components")
}

// document adds the root, its components last: they are known only then.
func (b *bundler) document(root tree.Node) {
	if !root.IsObject() {
		b.out.Copy("", root)
		return
	}
	held := b.holder(root)
	ours := map[string]bool{}
	for _, s := range b.sections() {
		ours[s] = true
		for c := range b.content(held.Get(s)).Children() {
			b.taken[s+"/"+c.Key()] = true
		}
	}
	b.out.Object("", root, func() {
		for c := range root.Children() {
			if c.KeyIs("components") && !b.swagger || b.swagger && ours[c.Key()] {
				continue
			}
			b.value(c.Key(), c, c.Key(), false)
		}
		if b.swagger {
			b.components(held)
			return
		}
		held = b.content(held)
		b.out.Object("components", held, func() {
			for c := range held.Children() {
				if !ours[c.Key()] {
					b.value(c.Key(), c, c.Key(), false)
				}
			}
			b.components(held)
		})
	})
}

// components adds each section: what the root has, then what came from
// elsewhere, which may bring more of its own section and of later ones.
func (b *bundler) components(held tree.Node) {
	for _, section := range b.sections() {
		own := b.content(held.Get(section))
		if !own.Exists() && !b.waits(section) && section != "schemas" && section != "definitions" {
			continue
		}
		b.out.Object(section, own, func() {
			for c := range own.Children() {
				b.value(c.Key(), c, section, true)
			}
			for b.waits(section) {
				var now []target
				rest := b.pending[:0:0]
				for _, t := range b.pending {
					if t.section == section {
						now = append(now, t)
					} else {
						rest = append(rest, t)
					}
				}
				b.pending = rest
				for _, t := range now {
					b.value(b.names[t], b.at(t), section, true)
				}
			}
		})
	}
}

func (b *bundler) waits(section string) bool {
	for _, t := range b.pending {
		if t.section == section {
			return true
		}
	}
	return false
}

// value adds a value under a key. The word under says what it is: the member
// that it is, or that holds the list or the names in which it stands. Names
// are the document's own where named is set.
func (b *bundler) value(key string, n tree.Node, under string, named bool) {
	switch {
	case !named && isLiteral(under, n) || n.Kind() != tree.Array && n.Kind() != tree.Object:
		if !named || under != "mapping" || !b.mapping(key, n) {
			b.out.Copy(key, n)
		}
	case n.IsArray():
		b.out.Array(key, n, func() {
			for c := range n.Children() {
				b.value("", c, under, true)
			}
		})
	case n.Get("$ref").Kind() == tree.String:
		b.reference(key, n, under, named)
	case !named && isNames(under):
		b.out.Object(key, n, func() {
			for c := range n.Children() {
				b.value(c.Key(), c, under, true)
			}
		})
	default:
		b.out.Object(key, n, func() { b.members(n, tree.Node{}) })
	}
}

// members adds an object's members but for those that another has.
func (b *bundler) members(n, but tree.Node) {
	for c := range n.Children() {
		if !but.Get(c.Key()).Exists() {
			b.value(c.Key(), c, c.Key(), false)
		}
	}
}

// reference adds what a reference is to be in one document.
func (b *bundler) reference(key string, n tree.Node, under string, named bool) {
	ref := n.Get("$ref")
	to, there := b.find(n, ref.String())
	if named || !isNames(under) { // else it stands for a whole map of them
		to.section = b.section(under)
	}
	switch {
	case !there:
		b.withRef(key, n, ref.String())
	case to.file == b.archive.Root:
		b.withRef(key, n, "#"+to.pointer)
	case to.section != "":
		b.withRef(key, n, b.component(to))
	default:
		b.inPlace(key, n, to, under, named)
	}
}

// withRef adds an object with another reference than it had.
func (b *bundler) withRef(key string, n tree.Node, text string) {
	b.out.Object(key, n, func() {
		for c := range n.Children() {
			if c.KeyIs("$ref") {
				b.out.String("$ref", text, c)
			} else {
				b.value(c.Key(), c, c.Key(), false)
			}
		}
	})
}

// inPlace adds the value that a reference leads to instead of it. Members
// beside the reference win, as they do in a path item (OpenAPI 3.1, 4.8.9.1).
func (b *bundler) inPlace(key string, n tree.Node, to target, under string, named bool) {
	for _, around := range b.inline {
		if around == to {
			b.found.add(n.Get("$ref"), SeverityError, FindRefRing, "Let one of them be a value.", "%q leads back to where it stands.", short(n.Get("$ref").String()))
			b.withRef(key, n, n.Get("$ref").String())
			return
		}
	}
	b.inline = append(b.inline, to)
	defer func() { b.inline = b.inline[:len(b.inline)-1] }()
	value := b.at(to)
	if n.Len() == 1 || !value.IsObject() {
		b.value(key, value, under, named)
		return
	}
	b.out.Object(key, n, func() {
		b.members(value, n)
		for c := range n.Children() {
			if !c.KeyIs("$ref") {
				b.value(c.Key(), c, c.Key(), false)
			}
		}
	})
}

// mapping adds one value of a discriminator's mapping, if it is a reference
// that leads into another file.
func (b *bundler) mapping(key string, n tree.Node) bool {
	text := n.String()
	if !strings.ContainsAny(text, "./#") {
		return false
	}
	to, there := b.find(n, text)
	if !there {
		return false
	}
	to.section = b.section("schema")
	if to.file == b.archive.Root {
		b.out.String(key, "#"+to.pointer, n)
	} else {
		b.out.String(key, b.component(to), n)
	}
	return true
}

// find says where a reference leads, and whether there is anything. What the
// root lacks, the scan finds out.
func (b *bundler) find(at tree.Node, ref string) (to target, there bool) {
	file, pointer := locate(at.File(), ref)
	to = target{file: file, pointer: pointer}
	if _, ok := b.archive.Files[file]; !ok {
		return to, false
	}
	if file == b.archive.Root {
		return to, true
	}
	t := b.tree(file, at)
	return to, t != nil && (pointer == "" || pointer[0] == '/') && t.Follow(pointer).Exists()
}

// tree is a file's, read when it is first needed.
func (b *bundler) tree(file string, at tree.Node) *tree.Tree {
	t, known := b.trees[file]
	if !known {
		var err error
		if t, err = parse(b.archive.Files[file], file, b.limits); err != nil {
			b.found.add(at, SeverityError, FindFileUnreadable, "Mend the file and import again.", "What this refers to cannot be read: %s", short(err.Error()))
			t = nil
			if b.archive.unreadable == nil {
				b.archive.unreadable = make(map[string]bool)
			}
			b.archive.unreadable[file] = true
		}
		b.trees[file] = t
	}
	return t
}

func (b *bundler) at(t target) tree.Node { return b.trees[t.file].Follow(t.pointer) }

// content is a value, or what it stands for where it is a reference itself.
func (b *bundler) content(n tree.Node) tree.Node {
	for range b.limits.MaxRefChain {
		ref := n.Get("$ref")
		if ref.Kind() != tree.String {
			return n
		}
		to, there := b.find(n, ref.String())
		if !there {
			return n
		}
		n = b.at(to)
	}
	return n
}

// section is the kind of component that stands under a word, or "".
func (b *bundler) section(under string) string {
	if b.swagger {
		switch {
		case isSchemas(under), under == "properties", under == "definitions":
			return "definitions"
		case under == "parameters", under == "responses":
			return under
		}
		return ""
	}
	switch under {
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas":
		return "schemas"
	case "requestBody":
		return "requestBodies"
	case "responses", "parameters", "headers", "requestBodies", "securitySchemes", "links", "callbacks", "examples":
		return under
	}
	if isSchemas(under) {
		return "schemas"
	}
	return ""
}

// component is the reference to a component that came from another file. It is
// named when it is first referred to.
func (b *bundler) component(t target) string {
	name, known := b.names[t]
	if !known {
		last := t.pointer[strings.LastIndexByte(t.pointer, '/')+1:]
		if last == "" {
			base := path.Base(strings.TrimRight(t.file, "/"))
			last = strings.TrimSuffix(base, path.Ext(base))
		}
		plain := componentName(unescapeRef(last))
		name = plain
		for i := 2; b.taken[t.section+"/"+name]; i++ {
			name = fmt.Sprintf("%s_%d", plain, i)
		}
		b.taken[t.section+"/"+name] = true
		b.names[t] = name
		b.pending = append(b.pending, t)
	}
	if b.swagger {
		return "#/" + t.section + "/" + name
	}
	return "#/components/" + t.section + "/" + name
}

// componentName leaves of a name what the specification allows.
func componentName(s string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
	if out == "" {
		return "part"
	}
	return out
}
