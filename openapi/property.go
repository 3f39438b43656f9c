package openapi

import (
	"slices"
	"strings"

	"portico/openapi/tree"
)

// builder makes properties of schemas, as deep as its depth and as much as
// its budget allow.
type builder struct {
	src   *source
	depth int // how many levels of fields are shown
	left  int // bytes of JSON still to spend
	cut   bool
	above []string // the named schemas that the one at hand stands inside of
}

// Bounds of what one property shows.
const (
	mostFields      = 200
	mostOptions     = 30
	mostEnum        = 60
	mostDescription = 4 << 10
	mostValue       = 300
)

// property describes a schema. Level 0 is the parameter or body itself.
func (b *builder) property(n tree.Node, name string, required bool, level int) Property {
	v := b.src.viewOf(n)
	p := Property{
		Name: clip(name, mostValue), Required: required, Ref: v.name, Description: clip(v.description(), mostDescription),
		Deprecated: v.has("deprecated"), ReadOnly: v.has("readOnly"), WriteOnly: v.has("writeOnly"),
		Default: literalText(v.get("default")), Example: literalText(firstExample(v)),
	}
	b.enum(&p, v)
	b.left -= 120 + len(p.Name) + len(p.Description) + len(p.Default) + len(p.Example) + len(p.Ref)
	for _, e := range p.Enum {
		b.left -= len(e) + 4
	}
	if v.name != "" && slices.Contains(b.above, v.name) {
		p.Type, p.Recursive = v.name, true
		return p
	}
	if v.name != "" {
		b.above = append(b.above, v.name)
		defer func() { b.above = b.above[:len(b.above)-1] }()
	}
	b.shape(&p, v, level)
	p.Constraints = constraints(v)
	for _, c := range p.Constraints {
		b.left -= len(c) + 4
	}
	return p
}

// shape works out the type's words and what is inside.
func (b *builder) shape(p *Property, v view, level int) {
	kinds, nullable := v.kinds()
	options, word, orNull := v.choice()
	p.Nullable = nullable || orNull
	switch {
	case len(options) == 1 && !v.hasFields():
		b.wrap(p, b.property(options[0], "", false, level))
	case len(options) > 0:
		b.choose(p, v, options, word, level)
	case slices.Equal(kinds, []string{"array"}):
		b.list(p, v, level)
	case slices.Equal(kinds, []string{"object"}), len(kinds) == 0 && v.hasFields():
		b.object(p, v, level)
	case len(kinds) == 0:
		p.Type = "any"
		if v.never {
			p.Type = "nothing"
		}
	default:
		p.Type = scalarType(kinds, v.get("format").String())
	}
}

// wrap takes over what an only option says.
func (b *builder) wrap(p *Property, inner Property) {
	p.Type, p.Properties, p.Options, p.Choice, p.More, p.Recursive = inner.Type, inner.Properties, inner.Options, inner.Choice, inner.More, inner.Recursive
	p.Nullable = p.Nullable || inner.Nullable
	if p.Ref == "" {
		p.Ref = inner.Ref
	}
	if p.Description == "" {
		p.Description = inner.Description
	}
	if len(p.Enum) == 0 {
		p.Enum = inner.Enum
	}
}

func (b *builder) choose(p *Property, v view, options []tree.Node, word string, level int) {
	p.Choice = word
	var names []string
	for i, o := range options {
		if i == mostOptions || b.spent() {
			p.More += len(options) - i
			b.cut = true
			break
		}
		option := b.property(o, "", false, level+1)
		if title := b.src.viewOf(o).get("title").String(); title != "" && option.Ref == "" {
			option.Name = clip(title, mostValue)
		}
		p.Options = append(p.Options, option)
		if !slices.Contains(names, option.Type) {
			names = append(names, option.Type)
		}
	}
	p.Type = strings.Join(names, " | ")
	if len(names) > 4 || len(p.Type) > 120 {
		p.Type = strings.Join(names[:min(3, len(names))], " | ") + " | …"
	}
	plain := !slices.ContainsFunc(p.Options, func(o Property) bool {
		return o.Properties != nil || o.Options != nil || o.Ref != "" || o.Description != "" || o.Enum != nil || o.Constraints != nil
	})
	if plain && p.More == 0 {
		p.Options, p.Choice = nil, ""
	}
	if v.hasFields() {
		b.fields(p, v, level)
	}
}

func (b *builder) list(p *Property, v view, level int) {
	items := v.get("items")
	if !items.IsObject() {
		p.Type = "array"
		return
	}
	inner := b.property(items, "", false, level)
	p.Type = "array of " + inner.Type
	p.Properties, p.Options, p.Choice, p.More, p.Recursive = inner.Properties, inner.Options, inner.Choice, inner.More, inner.Recursive
	if inner.Ref != "" {
		p.Ref = inner.Ref
	}
	if len(p.Enum) == 0 {
		p.Enum = inner.Enum
	}
	if p.Description == "" {
		p.Description = inner.Description
	}
}

func (b *builder) object(p *Property, v view, level int) {
	p.Type = "object"
	if v.name != "" {
		p.Type = v.name
	}
	extra := v.get("additionalProperties")
	if !v.hasFields() && extra.IsObject() && extra.Len() > 0 {
		inner := b.property(extra, "", false, level)
		p.Type = "map of " + inner.Type
		p.Properties, p.Options, p.Choice, p.More, p.Recursive = inner.Properties, inner.Options, inner.Choice, inner.More, inner.Recursive
		if p.Ref == "" {
			p.Ref = inner.Ref
		}
		return
	}
	b.fields(p, v, level)
	if extra.IsObject() && extra.Len() > 0 && len(p.Properties) > 0 && !b.spent() {
		p.Properties = append(p.Properties, b.property(extra, "*", false, level+1))
	}
}

func (b *builder) fields(p *Property, v view, level int) {
	list, more := v.fields()
	p.More += more
	if level >= b.depth {
		p.More += len(list)
		return
	}
	for i, f := range list {
		if i == mostFields || b.spent() {
			p.More += len(list) - i
			b.cut = true
			return
		}
		p.Properties = append(p.Properties, b.property(f.schema, f.name, f.required, level+1))
	}
}

func (b *builder) spent() bool { return b.left <= 0 }

func (b *builder) enum(p *Property, v view) {
	if c := v.get("const"); c.Exists() {
		p.Enum = []string{literalText(c)}
		return
	}
	list := v.get("enum")
	for e := range list.Children() {
		if len(p.Enum) == mostEnum {
			p.More += list.Len() - mostEnum
			return
		}
		p.Enum = append(p.Enum, literalText(e))
	}
}

func firstExample(v view) tree.Node {
	if e := v.get("example"); e.Exists() {
		return e
	}
	for e := range v.get("examples").Children() {
		return e
	}
	return tree.Node{}
}

// literalText is a value as a page shows it: strings without quotes, the rest
// as JSON.
func literalText(n tree.Node) string {
	switch n.Kind() {
	case tree.Missing:
		return ""
	case tree.String:
		if n.Text() == "" {
			return `""`
		}
		return clip(n.Text(), mostValue)
	case tree.Array, tree.Object:
		if n.Size() > 4*mostValue {
			return "…"
		}
	}
	return clip(string(n.AppendJSON(nil, "")), mostValue)
}

// clip shortens a text to so many bytes, at the edge of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 {
		most--
	}
	return s[:most] + "…"
}
