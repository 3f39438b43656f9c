package tree

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseYAML reads the first document of a YAML stream. Aliases are expanded
// into the tree, up to MaxValues in all; merge keys (<<) are applied; names
// that are not strings (200:) become their text, and dates stay strings.
func ParseYAML(text []byte, limits Limits) (t *Tree, err error) {
	if len(text) > limits.MaxBytes {
		return nil, tooLarge(len(text), limits.MaxBytes)
	}
	// The library builds 150 bytes for each value and cannot be told to stop,
	// so what it could build is bounded before it starts.
	if most := mostValues(text); most > limits.MaxValues {
		return nil, &Error{Code: CodeTooLarge, Message: fmt.Sprintf("The document has more than %d values.", limits.MaxValues)}
	}
	defer func() {
		if r := recover(); r != nil { // the library panics on some inputs that it should refuse
			t, err = nil, &Error{Code: CodeMalformed, Message: fmt.Sprintf("The document is not YAML: %v.", r)}
		}
	}()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, yamlError(err)
	}
	if len(doc.Content) == 0 {
		return nil, &Error{Code: CodeTruncated, Message: "The document is empty.", Line: 1, Column: 1}
	}
	c := &converter{t: &Tree{}, limits: limits, expanding: make(map[*yaml.Node]bool)}
	if err := c.measure(doc.Content[0]); err != nil {
		return nil, err
	}
	if err := c.value(doc.Content[0], nil, 0); err != nil {
		return nil, err
	}
	return c.t, nil
}

// mostValues is at least the number of values that a YAML text can hold.
func mostValues(text []byte) int {
	count := 1
	for _, b := range []byte{':', ',', '[', '{', '\n', '?'} {
		count += bytes.Count(text, []byte{b})
	}
	return count + bytes.Count(text, []byte("- "))
}

// yamlLine finds the line in the library's messages, which have no other form
// that a program could read.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func yamlError(err error) *Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{Code: CodeMalformed}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column = 1
		message = strings.TrimPrefix(message, m[0]+": ")
	}
	switch {
	case strings.Contains(message, "exceeded max depth"):
		e.Code = CodeTooDeep
		e.Message = "Mappings and lists stand too deep inside one another."
	case strings.Contains(message, "unexpected end of stream"), strings.Contains(message, "unexpected end"):
		e.Code = CodeTruncated
		e.Message = "The document ends inside a value: " + message + "."
	default:
		e.Message = "The document is not YAML: " + message + "."
	}
	return e
}

// extent is what a value becomes with its aliases expanded.
type extent struct{ values, bytes int }

// measure refuses, before anything is expanded, a document whose aliases
// expand to more than the limits allow. Every node is visited once.
func (c *converter) measure(root *yaml.Node) error {
	known := make(map[*yaml.Node]extent) // of anchors
	var of func(n *yaml.Node) (extent, error)
	of = func(n *yaml.Node) (extent, error) {
		if n.Kind == yaml.AliasNode {
			e, ok := known[n.Alias]
			if !ok { // an anchor is known once its value has ended
				return e, c.fail(n, CodeAliasBomb, fmt.Sprintf("The alias *%s stands inside the value that it repeats.", n.Value))
			}
			if e.values > c.limits.MaxValues || e.bytes > c.limits.MaxBytes {
				return e, c.fail(n, CodeAliasBomb, "The document's aliases expand to far more than the document has; a few lines become millions.")
			}
			return e, nil
		}
		sum := extent{1, len(n.Value)}
		for _, inner := range n.Content {
			e, err := of(inner)
			if err != nil {
				return e, err
			}
			sum.values += e.values
			sum.bytes += e.bytes
			if sum.values > 2*c.limits.MaxValues || sum.bytes > 2*c.limits.MaxBytes {
				return sum, c.fail(inner, CodeAliasBomb, "The document's aliases expand to far more than the document has; a few lines become millions.")
			}
		}
		if n.Anchor != "" {
			known[n] = sum
		}
		return sum, nil
	}
	_, err := of(root)
	return err
}

// converter copies the library's nodes into cells.
type converter struct {
	t         *Tree
	limits    Limits
	expanding map[*yaml.Node]bool // anchors that the value being copied stands in
	aliased   int                 // how many aliases the value being copied stands in
}

func (c *converter) value(n, key *yaml.Node, depth int) error {
	if n.Kind == yaml.AliasNode {
		return c.alias(n, key, depth)
	}
	if len(c.t.cells) >= c.limits.MaxValues {
		if c.aliased > 0 {
			return c.fail(n, CodeAliasBomb, fmt.Sprintf("The document's aliases expand to more than %d values.", c.limits.MaxValues))
		}
		return c.fail(n, CodeTooLarge, fmt.Sprintf("The document has more than %d values.", c.limits.MaxValues))
	}
	index := c.open(n, key)
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		if depth == c.limits.MaxDepth {
			return c.fail(n, CodeTooDeep, fmt.Sprintf("Mappings and lists stand more than %d deep inside one another here.", c.limits.MaxDepth))
		}
		if err := c.container(n, index, depth); err != nil {
			return err
		}
	default:
		c.scalar(n, index)
	}
	c.t.cells[index].next = uint32(len(c.t.cells))
	return nil
}

func (c *converter) alias(n, key *yaml.Node, depth int) error {
	if n.Alias == nil || c.expanding[n.Alias] {
		return c.fail(n, CodeAliasBomb, fmt.Sprintf("The alias *%s stands inside the value that it repeats.", n.Value))
	}
	c.expanding[n.Alias] = true
	c.aliased++
	err := c.value(n.Alias, key, depth)
	c.aliased--
	delete(c.expanding, n.Alias)
	return err
}

// open adds the value's cell with its name and place.
func (c *converter) open(n, key *yaml.Node) uint32 {
	var made cell
	at := place{uint32(n.Line), uint32(n.Column)}
	if key != nil {
		for key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		made.keyStart, made.keyEnd = c.text(key.Value)
		at = place{uint32(key.Line), uint32(key.Column)}
	}
	c.t.cells = append(c.t.cells, made)
	c.t.where = append(c.t.where, at)
	return uint32(len(c.t.cells) - 1)
}

func (c *converter) text(s string) (start, end uint32) {
	start = uint32(len(c.t.text))
	c.t.text = append(c.t.text, s...)
	return start, uint32(len(c.t.text))
}

func (c *converter) container(n *yaml.Node, index uint32, depth int) error {
	if n.Kind == yaml.SequenceNode {
		c.t.cells[index].kind = Array
		for _, element := range n.Content {
			if err := c.value(element, nil, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	c.t.cells[index].kind = Object
	return c.members(n, depth, nil)
}

// members adds a mapping's members, and after them those that it merges in
// and does not have itself.
func (c *converter) members(n *yaml.Node, depth int, own map[string]bool) error {
	merging := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		merging = merging || isMerge(n.Content[i])
	}
	if merging && own == nil {
		own = make(map[string]bool)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if isMerge(key) || own != nil && own[key.Value] {
			continue
		}
		if own != nil {
			own[key.Value] = true
		}
		if err := c.value(n.Content[i+1], key, depth+1); err != nil {
			return err
		}
	}
	for i := 0; merging && i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		sources := []*yaml.Node{n.Content[i+1]}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		for _, source := range sources {
			if err := c.merge(source, depth, own); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *converter) merge(source *yaml.Node, depth int, own map[string]bool) error {
	from := source
	if from.Kind == yaml.AliasNode {
		from = from.Alias
	}
	if from == nil || from.Kind != yaml.MappingNode {
		return c.fail(source, CodeMalformed, "A merge key (<<) has to name a mapping.")
	}
	if c.expanding[from] {
		return c.fail(source, CodeAliasBomb, "A merge key (<<) names the mapping that it stands in.")
	}
	c.expanding[from] = true
	c.aliased++
	err := c.members(from, depth, own)
	c.aliased--
	delete(c.expanding, from)
	return err
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" }

func (c *converter) scalar(n *yaml.Node, index uint32) {
	kind, text := String, n.Value
	switch n.ShortTag() {
	case "!!null":
		kind, text = Null, "null"
	case "!!bool":
		kind = Bool
		var v bool
		_ = n.Decode(&v)
		text = strconv.FormatBool(v)
	case "!!int", "!!float":
		kind = Number
		if number := jsonNumber(n); number != "" {
			text = number
		} else {
			kind = String // .inf, .nan: JSON has no number for them
		}
	}
	start, end := c.text(text)
	made := &c.t.cells[index]
	made.kind, made.start, made.end = kind, start, end
}

// jsonNumber is a YAML number (0x1f, 1_000, .5) as JSON writes it, or "".
func jsonNumber(n *yaml.Node) string {
	if text := []byte(n.Value); len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') {
		if end := number(text, 0); end == len(text) {
			return n.Value
		}
	}
	var whole int64
	if n.ShortTag() == "!!int" && n.Decode(&whole) == nil {
		return strconv.FormatInt(whole, 10)
	}
	var f float64
	if n.Decode(&f) != nil || f != f || f > 1e308 || f < -1e308 {
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func (c *converter) fail(n *yaml.Node, code, message string) *Error {
	return &Error{Code: code, Message: message, Line: n.Line, Column: n.Column}
}
