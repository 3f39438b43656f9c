package openapi

import (
	"slices"
	"strings"

	"portico/openapi/tree"
)

// references is what one walk over a document found out: every $ref, what it
// leads to, and how many schemas there are.
type references struct {
	schemas  int
	holders  []tree.Node // objects with a $ref, in document order
	mappings []tree.Node // what discriminators map to: names or references
	targets  []tree.Node // in step; no value where there is none or it is outside
	external []tree.Node // holders whose target is outside the document
	byText   map[string]tree.Node
	inRing   map[int]bool // positions of holders that are in a ring or lead into one
}

// indexRefs walks the document once, notes what is wrong with its references,
// and refuses what would cost too much to read any further.
func (s *source) indexRefs() error {
	r := &references{byText: make(map[string]tree.Node), inRing: make(map[int]bool)}
	s.refs = r
	w := &walker{refs: r, most: s.limits.MaxSchemas}
	if err := w.object(s.root); err != nil {
		return err
	}
	for _, h := range r.holders {
		r.targets = append(r.targets, s.target(h))
	}
	if err := s.checkChains(); err != nil {
		return err
	}
	return s.checkHops()
}

// target is what a $ref leads to, at one step.
func (s *source) target(holder tree.Node) tree.Node {
	ref := holder.Get("$ref")
	text := ref.String()
	if to, ok := s.refs.byText[text]; ok {
		return to
	}
	if !strings.HasPrefix(text, "#") {
		if to := s.byID(text); to.Exists() {
			s.refs.byText[text] = to
			return to
		}
		s.refs.external = append(s.refs.external, holder)
		s.outside(ref, text)
		s.refs.byText[text] = tree.Node{}
		return tree.Node{}
	}
	var to tree.Node
	if pointer := text[1:]; pointer == "" || pointer[0] == '/' {
		to = s.tree.Follow(pointer)
	} else {
		to = s.byAnchor(pointer)
	}
	if !to.Exists() {
		s.found.add(ref, SeverityError, FindRefMissing, "Add what is missing, or correct the reference.", "%q leads to nothing in the document.", short(ref.Origin().String()))
	}
	s.refs.byText[text] = to
	return to
}

// outside notes a reference to what is not in the document.
func (s *source) outside(ref tree.Node, text string) {
	if s.archive == nil {
		s.found.add(ref, SeverityError, FindExternalRef, "Import the files together: as a zip archive, a folder, or by the document's URL.",
			"%q is outside the document. It is not fetched, and what refers to it is not read.", short(text))
		return
	}
	file, _ := locate(ref.File(), text)
	if s.archive.unreadable[file] {
		return // said already, with what is wrong in it
	}
	if _, here := s.archive.Files[file]; here {
		s.found.add(ref, SeverityError, FindRefMissing, "Add what is missing, or correct the reference.", "%q leads to nothing in that file.", short(text))
		return
	}
	s.found.add(ref, SeverityError, FindExternalRef, "Put the file beside the others and import again.",
		"%q is not among the files and could not be fetched. What refers to it is not read.", short(text))
}

// byID finds a schema of components by its $id, the only absolute references
// that stay inside a document.
func (s *source) byID(id string) tree.Node {
	if !strings.Contains(id, ":") {
		return tree.Node{}
	}
	for c := range s.root.Get("components").Get("schemas").Children() {
		if c.Get("$id").String() == id {
			return c
		}
	}
	return tree.Node{}
}

func (s *source) byAnchor(name string) tree.Node {
	for c := range s.root.Get("components").Get("schemas").Children() {
		if c.Get("$anchor").String() == name || c.Get("$dynamicAnchor").String() == name {
			return c
		}
	}
	return tree.Node{}
}

// resolve follows references from a value until one that is none. It is no
// value where they lead nowhere, outside or round in a ring.
func (s *source) resolve(n tree.Node) tree.Node {
	to, _ := s.resolveNamed(n)
	return to
}

// resolveNamed is resolve, with the name of the component that was reached
// last, or "".
func (s *source) resolveNamed(n tree.Node) (tree.Node, string) {
	name := ""
	for range s.limits.MaxRefChain + 1 {
		ref := n.Get("$ref")
		if ref.Kind() != tree.String {
			return n, name
		}
		text := ref.String()
		if rest, ok := strings.CutPrefix(text, "#/components/"); ok {
			if kind, last, ok := strings.Cut(rest, "/"); ok && kind != "" && !strings.Contains(last, "/") {
				name = unescapeRef(last)
			}
		}
		n = s.refs.byText[text]
	}
	return tree.Node{}, name
}

func unescapeRef(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// checkChains follows references that lead straight to references: a ring of
// them has no schema at all, and a long chain is somebody's trap. Every
// reference is followed once.
func (s *source) checkChains() error {
	r := s.refs
	at := make(map[int]int, len(r.holders)) // index of a holder → its position
	for i, h := range r.holders {
		at[h.Index()] = i
	}
	length := make([]int, len(r.holders)) // of the chain from here; 0 is unknown, -1 is on the way
	for i := range r.holders {
		var way []int
		end := 0 // length of the chain after the way
		for j := i; ; {
			if length[j] == -1 {
				s.ring(way, j)
				break
			}
			if length[j] > 0 {
				end = length[j]
				break
			}
			length[j] = -1
			way = append(way, j)
			next, ok := at[r.targets[j].Index()]
			if !r.targets[j].Exists() || !ok {
				break
			}
			j = next
		}
		for k := len(way) - 1; k >= 0; k-- {
			end++
			length[way[k]] = end
		}
		if end > s.limits.MaxRefChain && s.resolves(i) {
			return refuse(r.holders[i], ErrChainTooLong, "More than %d references lead from one straight to the next, starting here.", s.limits.MaxRefChain)
		}
	}
	return nil
}

// resolves reports whether the chain from a holder ends; those that are or
// lead into a ring do not, and were reported.
func (s *source) resolves(i int) bool {
	to, ok := s.refs.byText[s.refs.holders[i].Get("$ref").String()]
	return ok && to.Exists() && !s.refs.inRing[i]
}

// ring reports the references that lead only to one another, and makes them
// lead nowhere.
func (s *source) ring(way []int, from int) {
	start := slices.Index(way, from)
	var names []string
	for n, j := range way[start:] {
		if n == 5 {
			names = append(names, "…")
			break
		}
		names = append(names, short(s.refs.holders[j].Get("$ref").String()))
	}
	s.found.add(s.refs.holders[from], SeverityError, FindRefRing, "Let one of them be a schema.",
		"These %d references lead only to one another, so there is no schema: %s.", len(way)-start, strings.Join(names, " → "))
	for _, j := range way {
		s.refs.inRing[j] = true
		s.refs.targets[j] = tree.Node{}
		s.refs.byText[s.refs.holders[j].Get("$ref").String()] = tree.Node{}
	}
}
