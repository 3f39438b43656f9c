package schema

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is compiled together.
const (
	MaxSchemas      = 100_000 // subschemas
	MaxPatternBytes = 4 << 10 // of one regular expression
)

// Compiler turns schemas into what values are held to. Schemas of one compiler
// may refer to one another.
type Compiler struct {
	// Formats makes "format" hold; otherwise it is a remark.
	Formats bool

	resources map[string]*resource
	nodes     map[*Object]*Schema
	resource  map[*Object]*resource // the innermost that an object stands in
	patterns  map[string]*regexp.Regexp
	refs      []pending
	count     int
}

// resource is a schema with an identifier of its own.
type resource struct {
	base    *url.URL
	root    Value
	anchors map[string]Value
	dynamic map[string]*Object
}

type pending struct {
	schema  *Schema
	ref     string
	dynamic bool
	from    *resource
}

// NewCompiler returns a compiler in which documents are found by their address.
// They are not checked before something refers to them.
func NewCompiler(formats bool) *Compiler {
	return &Compiler{
		Formats: formats, resources: map[string]*resource{}, nodes: map[*Object]*Schema{}, resource: map[*Object]*resource{},
		patterns: map[string]*regexp.Regexp{},
	}
}

// Add makes a document known by its address, which is absolute.
func (c *Compiler) Add(address string, document Value) error {
	base, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", clip(address), err)
	}
	return c.index(document, c.newResource(base, document), 0)
}

func (c *Compiler) newResource(base *url.URL, root Value) *resource {
	bare := *base
	bare.Fragment = ""
	res := &resource{base: &bare, root: root, anchors: map[string]Value{}, dynamic: map[string]*Object{}}
	c.resources[bare.String()] = res
	return res
}

// maxDepth bounds schemas inside one another, as they are written.
const maxDepth = 200

// index finds the resources and anchors of a document.
func (c *Compiler) index(v Value, in *resource, depth int) error {
	if depth > maxDepth {
		return errors.New("is nested too deeply")
	}
	o, ok := v.(*Object)
	if !ok {
		return nil
	}
	if id := text(o, "$id"); id != "" {
		to, err := in.base.Parse(id)
		if err != nil {
			return fmt.Errorf("$id %q is no address", clip(id))
		}
		if depth > 0 || to.String() != in.base.String() {
			in = c.newResource(to, o)
		}
	}
	c.resource[o] = in
	if a := text(o, "$anchor"); a != "" {
		in.anchors[a] = o
	}
	if a := text(o, "$dynamicAnchor"); a != "" {
		in.anchors[a], in.dynamic[a] = o, o
	}
	for _, m := range o.Members {
		for sub := range subschemas(m) {
			if err := c.index(sub, in, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// subschemas yields the schemas that a keyword holds.
func subschemas(m Member) func(func(Value) bool) {
	return func(yield func(Value) bool) {
		switch m.Name {
		case "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "not", "if", "then", "else":
			yield(m.Value)
		case "prefixItems", "allOf", "anyOf", "oneOf":
			list, _ := m.Value.([]Value)
			for _, v := range list {
				if !yield(v) {
					return
				}
			}
		case "properties", "patternProperties", "dependentSchemas", "$defs", "definitions":
			if o, ok := m.Value.(*Object); ok {
				for _, sub := range o.Members {
					if !yield(sub.Value) {
						return
					}
				}
			}
		}
	}
}

func text(o *Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

// Compile returns the schema at a reference to a known document, such as
// "https://example.com/order#/$defs/Line".
func (c *Compiler) Compile(ref string) (*Schema, error) {
	out := blank()
	c.refs = append(c.refs, pending{out, ref, false, &resource{base: &url.URL{}}})
	return out, c.link()
}

// CompileValue returns a schema that stands in no document. What it refers to
// does: base is the document's address.
func (c *Compiler) CompileValue(v Value, base string) (*Schema, error) {
	in := c.resources[base]
	if in == nil {
		return nil, fmt.Errorf("document %q is not known", clip(base))
	}
	if err := c.index(v, in, 1); err != nil {
		return nil, err
	}
	out, err := c.schema(v, in)
	if err != nil {
		return nil, err
	}
	return out, c.link()
}

// link follows references until none is left.
func (c *Compiler) link() error {
	for len(c.refs) > 0 {
		p := c.refs[len(c.refs)-1]
		c.refs = c.refs[:len(c.refs)-1]
		target, in, err := c.target(p.ref, p.from)
		if err != nil {
			return err
		}
		to, err := c.schema(target, in)
		if err != nil {
			return err
		}
		p.schema.ref = to
		if p.dynamic {
			_, name, _ := strings.Cut(p.ref, "#")
			if o, ok := target.(*Object); ok && in.dynamic[name] == o {
				p.schema.dynamicName, p.schema.anchored = name, map[string]*Schema{}
				for address, res := range c.resources {
					if res.dynamic[name] == nil {
						continue
					}
					if p.schema.anchored[address], err = c.schema(res.dynamic[name], res); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (c *Compiler) target(ref string, from *resource) (Value, *resource, error) {
	nothing := fmt.Errorf("$ref %q leads to nothing", clip(ref))
	to, err := from.base.Parse(ref)
	if err != nil {
		return nil, nil, nothing
	}
	fragment := to.Fragment
	bare := *to
	bare.Fragment, bare.RawFragment = "", ""
	in := c.resources[bare.String()]
	if in == nil {
		return nil, nil, nothing
	}
	if fragment == "" {
		return in.root, in, nil
	}
	if fragment[0] != '/' {
		v, ok := in.anchors[fragment]
		if !ok {
			return nil, nil, nothing
		}
		return v, in, nil
	}
	v := in.root
	for token := range strings.SplitSeq(fragment[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		ok := false
		switch at := v.(type) {
		case *Object:
			v, ok = at.Get(token)
		case []Value:
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(at) {
				v, ok = at[i], true
			}
		}
		if !ok {
			return nil, nil, nothing
		}
		if o, isObject := v.(*Object); isObject && c.resource[o] != nil {
			in = c.resource[o]
		}
	}
	if o, ok := v.(*Object); ok && c.resource[o] == nil { // it stands where no keyword has schemas
		if err := c.index(o, in, 1); err != nil {
			return nil, nil, err
		}
	}
	return v, in, nil
}

// types are JSON's, as bits.
type types uint8

const (
	typeNull types = 1 << iota
	typeBool
	typeObject
	typeArray
	typeNumber
	typeString
	typeInteger // a number that is whole
)

var typeNames = []string{"null", "boolean", "object", "array", "number", "string", "integer"}

func typeOf(name string) types {
	if i := slices.Index(typeNames, name); i >= 0 {
		return 1 << i
	}
	return 0
}

// String lists them: "string or null".
func (t types) String() string {
	var out []string
	for i, name := range typeNames {
		if t&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, " or ")
}

// Schema is a compiled schema. It never changes and may be used by any number of
// goroutines.
type Schema struct {
	never    bool // the schema false
	resource *resource

	types       types // 0: any
	constant    *string
	constText   string
	enum        map[string]struct{}
	enumText    string
	enumTypes   types
	refers      bool    // it has one of them
	ref         *Schema // $ref or $dynamicRef, once it was followed
	dynamicName string  // of a $dynamicRef that is looked up while validating
	anchored    map[string]*Schema

	minimum, maximum, above, below, multiple *Number

	minLength, maxLength int64
	pattern              *regexp.Regexp
	format               string

	minItems, maxItems       int64
	unique                   bool
	prefix                   []*Schema
	items, contains          *Schema
	minContains, maxContains int64
	unevaluatedItems         *Schema

	minProperties, maxProperties int64
	required                     []string
	properties                   []property
	byName                       map[string]int
	patterned                    []patterned
	additional, names            *Schema
	dependent                    []dependent
	unevaluatedProperties        *Schema

	all, any, one           []*Schema
	not, when, then, orElse *Schema

	discriminator  string
	mapping        map[string]*Schema
	readOnly       bool
	writeOnly      bool
	wantsEvaluated bool
}

type property struct {
	name   string
	schema *Schema
}

type patterned struct {
	pattern *regexp.Regexp
	schema  *Schema
}

type dependent struct {
	name     string
	required []string
	schema   *Schema
}

const unset = -1

// blank is a schema that says nothing.
func blank() *Schema {
	return &Schema{
		minLength: unset, maxLength: unset, minItems: unset, maxItems: unset,
		minContains: unset, maxContains: unset, minProperties: unset, maxProperties: unset,
	}
}

// schema compiles a value, each object once.
func (c *Compiler) schema(v Value, in *resource) (*Schema, error) {
	switch v := v.(type) {
	case bool:
		s := blank()
		s.never = !v
		return s, nil
	case *Object:
		if done := c.nodes[v]; done != nil {
			return done, nil
		}
		if own := c.resource[v]; own != nil {
			in = own
		}
		if c.count++; c.count > MaxSchemas {
			return nil, fmt.Errorf("more than %d schemas", MaxSchemas)
		}
		s := blank()
		s.resource = in
		c.nodes[v] = s
		for _, m := range v.Members {
			if err := c.keyword(s, m, in); err != nil {
				return nil, err
			}
		}
		return s, c.finish(s, v, in)
	}
	return nil, errors.New("a schema is neither an object nor true nor false")
}

func (c *Compiler) finish(s *Schema, o *Object, in *resource) error {
	s.wantsEvaluated = s.unevaluatedItems != nil || s.unevaluatedProperties != nil
	if len(s.properties) > 4 {
		s.byName = make(map[string]int, len(s.properties))
		for i, p := range s.properties {
			s.byName[p.name] = i
		}
	}
	if d, ok := o.Get("discriminator"); ok && (s.one != nil || s.any != nil) {
		return c.discriminate(s, d, in)
	}
	return nil
}

func (c *Compiler) discriminate(s *Schema, v Value, in *resource) error {
	d, ok := v.(*Object)
	if !ok || text(d, "propertyName") == "" {
		return nil
	}
	m, _ := d.Get("mapping")
	mapping, ok := m.(*Object)
	if !ok {
		return nil
	}
	s.discriminator, s.mapping = text(d, "propertyName"), map[string]*Schema{}
	for _, to := range mapping.Members {
		ref, ok := to.Value.(string)
		if !ok {
			return fmt.Errorf("discriminator maps %q to something that is no reference", clip(to.Name))
		}
		target := blank()
		c.refs = append(c.refs, pending{target, ref, false, in})
		s.mapping[to.Name] = target
	}
	return nil
}

// keyword compiles one, nothing for those that say nothing.
func (c *Compiler) keyword(s *Schema, m Member, in *resource) (err error) {
	wrong := func(want string) error { return fmt.Errorf("%s is no %s", m.Name, want) }
	switch m.Name {
	case "$ref", "$dynamicRef":
		ref, ok := m.Value.(string)
		if !ok {
			return wrong("text")
		}
		to := s
		if s.refers { // both stand there
			to = blank()
			s.all = append(s.all, to)
		}
		s.refers = true
		c.refs = append(c.refs, pending{to, ref, m.Name == "$dynamicRef", in})
	case "$dynamicAnchor":
		// found by index
	case "type":
		list, ok := m.Value.([]Value)
		if !ok {
			list = []Value{m.Value}
		}
		for _, one := range list {
			name, _ := one.(string)
			t := typeOf(name)
			if t == 0 {
				return wrong("type of JSON Schema")
			}
			s.types |= t
		}
	case "const":
		key := canonical(m.Value)
		s.constant, s.constText, s.enumTypes = &key, shown(m.Value), s.enumTypes|typeOfValue(m.Value)
	case "enum":
		list, ok := m.Value.([]Value)
		if !ok {
			return wrong("list")
		}
		s.enum = make(map[string]struct{}, len(list))
		for i, one := range list {
			s.enum[canonical(one)] = struct{}{}
			s.enumTypes |= typeOfValue(one)
			switch {
			case i > 0 && i < 8:
				s.enumText += ", " + shown(one)
			case i == 0:
				s.enumText = shown(one)
			case i == 8:
				s.enumText += ", …"
			}
		}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		n, ok := m.Value.(Number)
		if !ok {
			return wrong("number")
		}
		switch m.Name {
		case "minimum":
			s.minimum = &n
		case "maximum":
			s.maximum = &n
		case "exclusiveMinimum":
			s.above = &n
		case "exclusiveMaximum":
			s.below = &n
		default:
			if s.multiple = &n; n.compare("0") <= 0 {
				return wrong("number above zero")
			}
		}
	case "minLength":
		s.minLength, err = count(m)
	case "maxLength":
		s.maxLength, err = count(m)
	case "minItems":
		s.minItems, err = count(m)
	case "maxItems":
		s.maxItems, err = count(m)
	case "minContains":
		s.minContains, err = count(m)
	case "maxContains":
		s.maxContains, err = count(m)
	case "minProperties":
		s.minProperties, err = count(m)
	case "maxProperties":
		s.maxProperties, err = count(m)
	case "pattern":
		p, ok := m.Value.(string)
		if !ok {
			return wrong("text")
		}
		s.pattern, err = c.regexp(p)
	case "format":
		if c.Formats {
			s.format, _ = m.Value.(string)
		}
	case "uniqueItems":
		s.unique, _ = m.Value.(bool)
	case "required":
		s.required, err = texts(m)
	case "readOnly":
		s.readOnly, _ = m.Value.(bool)
	case "writeOnly":
		s.writeOnly, _ = m.Value.(bool)
	case "items":
		s.items, err = c.schema(m.Value, in)
	case "contains":
		s.contains, err = c.schema(m.Value, in)
	case "additionalProperties":
		s.additional, err = c.schema(m.Value, in)
	case "propertyNames":
		s.names, err = c.schema(m.Value, in)
	case "unevaluatedItems":
		s.unevaluatedItems, err = c.schema(m.Value, in)
	case "unevaluatedProperties":
		s.unevaluatedProperties, err = c.schema(m.Value, in)
	case "not":
		s.not, err = c.schema(m.Value, in)
	case "if":
		s.when, err = c.schema(m.Value, in)
	case "then":
		s.then, err = c.schema(m.Value, in)
	case "else":
		s.orElse, err = c.schema(m.Value, in)
	case "prefixItems":
		s.prefix, err = c.list(m, in)
	case "allOf":
		var list []*Schema
		list, err = c.list(m, in)
		s.all = append(s.all, list...)
	case "anyOf":
		s.any, err = c.list(m, in)
	case "oneOf":
		s.one, err = c.list(m, in)
	case "properties", "patternProperties", "dependentSchemas", "dependentRequired":
		o, ok := m.Value.(*Object)
		if !ok {
			return wrong("object")
		}
		for _, one := range o.Members {
			if err := c.named(s, m.Name, one, in); err != nil {
				return err
			}
		}
	}
	return err
}

func (c *Compiler) named(s *Schema, keyword string, m Member, in *resource) error {
	if keyword == "dependentRequired" {
		list, err := texts(m)
		s.dependent = append(s.dependent, dependent{name: m.Name, required: list})
		return err
	}
	sub, err := c.schema(m.Value, in)
	if err != nil {
		return err
	}
	switch keyword {
	case "properties":
		s.properties = append(s.properties, property{m.Name, sub})
	case "dependentSchemas":
		s.dependent = append(s.dependent, dependent{name: m.Name, schema: sub})
	default:
		p, err := c.regexp(m.Name)
		if err != nil {
			return err
		}
		s.patterned = append(s.patterned, patterned{p, sub})
	}
	return nil
}

func (c *Compiler) list(m Member, in *resource) ([]*Schema, error) {
	list, ok := m.Value.([]Value)
	if !ok {
		return nil, fmt.Errorf("%s is no list", m.Name)
	}
	out := make([]*Schema, 0, len(list))
	for _, v := range list {
		s, err := c.schema(v, in)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// regexp compiles an expression of ECMA 262 as far as RE2 knows it: no
// look-around and no references back, and so no time but that of one pass.
func (c *Compiler) regexp(p string) (*regexp.Regexp, error) {
	if done := c.patterns[p]; done != nil {
		return done, nil
	}
	if len(p) > MaxPatternBytes {
		return nil, fmt.Errorf("a pattern of %d bytes; at most %d are allowed", len(p), MaxPatternBytes)
	}
	compiled, err := regexp.Compile(translated(p))
	if err != nil {
		return nil, fmt.Errorf("pattern %q cannot be used: %w", clip(p), err)
	}
	c.patterns[p] = compiled
	return compiled, nil
}

func count(m Member) (int64, error) {
	n, ok := m.Value.(Number)
	if !ok || !n.Whole() || n.compare("0") < 0 || n.compare("1000000000000") > 0 {
		return 0, fmt.Errorf("%s is no count", m.Name)
	}
	i, _ := n.rat().Float64()
	return int64(i), nil
}

func texts(m Member) ([]string, error) {
	list, ok := m.Value.([]Value)
	if !ok {
		return nil, fmt.Errorf("%s is no list", m.Name)
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s holds something that is no text", m.Name)
		}
		out = append(out, s)
	}
	return out, nil
}

func typeOfValue(v Value) types {
	switch v := v.(type) {
	case nil:
		return typeNull
	case bool:
		return typeBool
	case string:
		return typeString
	case Number:
		if v.Whole() {
			return typeNumber | typeInteger
		}
		return typeNumber
	case []Value:
		return typeArray
	}
	return typeObject
}

// shown is a value as a reason names it.
func shown(v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return strconv.Quote(clip(v))
	case Number:
		return clip(string(v))
	case []Value:
		return "a list"
	}
	return "an object"
}
