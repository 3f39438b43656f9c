package render

import (
	"bytes"
	"encoding/json"
	"fmt"

	"portico/internal/entry"
	"portico/internal/entry/tree"
)

// MaxOperations bounds the operations of a patch, and MaxPaths what select and
// omit name.
const (
	MaxOperations = 64
	MaxPaths      = 256
)

// Change is a compiled entry.JSONChange. It may be used by several at once.
type Change struct {
	template     *Template
	patch        []operation
	merge        *value
	chosen, left *tree.Paths // select and omit
	limit        int
	uses         []*Template
}

type operation struct {
	tree.Operation
	value *value // nil for none
}

// Wrong is something that is wrong with a configuration.
type Wrong struct{ Field, Reason string }

// NewChange compiles a change, or says everything that is wrong with it.
func NewChange(c entry.JSONChange, use For) (*Change, []Wrong) {
	b := builder{use: use, change: &Change{limit: int(entry.JSONBodyMaxBytes)}}
	if c.MaxBytes != 0 {
		if b.change.limit = int(c.MaxBytes); c.MaxBytes < 1 || c.MaxBytes > entry.JSONBodyMostBytes {
			b.add("max_bytes", "want 1 to %d, got %d", entry.JSONBodyMostBytes, c.MaxBytes)
		}
	}
	if present(c.Template) {
		b.change.template = b.template("template", c.Template)
	}
	if len(c.Patch) > MaxOperations {
		b.add("patch", "want at most %d operations, got %d", MaxOperations, len(c.Patch))
	}
	for i, p := range c.Patch {
		b.operation(fmt.Sprintf("patch[%d]", i), p)
	}
	if present(c.Merge) {
		b.change.merge = b.value("merge", c.Merge)
	}
	b.change.chosen = b.paths("select", c.Select)
	b.change.left = b.paths("omit", c.Omit)
	if !present(c.Template) && !present(c.Merge) && len(c.Patch)+len(c.Select)+len(c.Omit) == 0 {
		b.add("", "changes nothing: give a template, a patch, a merge, or fields to select or omit")
	}
	return b.change, b.wrong
}

// Limit returns how many bytes a body may have.
func (c *Change) Limit() int64 { return int64(c.limit) }

// Uses reports whether the change reads an input beside the body.
func (c *Change) Uses(input string) bool {
	for _, t := range c.uses {
		if t.Uses(input) {
			return true
		}
	}
	return false
}

// Apply changes the body of the inputs, which must not be used any more, and
// writes the result.
func (c *Change) Apply(in *Inputs) ([]byte, error) {
	operations, merge, err := c.values(in)
	if err != nil {
		return nil, err
	}
	v := in.Body
	if c.template != nil {
		if v, err = c.template.Tree(in); err != nil {
			return nil, err
		}
		if len(operations) > 0 || c.merge != nil || c.chosen != nil || c.left != nil {
			if v, err = c.own(v); err != nil {
				return nil, err
			}
		}
	}
	if v, err = tree.Patch(v, operations); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	if c.merge != nil {
		if v, err = tree.Merge(v, merge); err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
	}
	if c.chosen != nil {
		v = c.chosen.Select(v)
	}
	if c.left != nil {
		v = c.left.Omit(v)
	}
	return tree.Append(nil, v, c.limit)
}

// values renders what patch and merge bring, all from the body as it came.
func (c *Change) values(in *Inputs) (operations []tree.Operation, merge any, err error) {
	if len(c.patch) > 0 {
		operations = make([]tree.Operation, len(c.patch))
	}
	for i, o := range c.patch {
		operations[i] = o.Operation
		if o.value == nil {
			continue
		}
		if operations[i].Value, err = c.render(o.value, in); err != nil {
			return nil, nil, fmt.Errorf("patch, operation %d: %w", i, err)
		}
	}
	if c.merge != nil {
		merge, err = c.render(c.merge, in)
	}
	return operations, merge, err
}

func (c *Change) render(v *value, in *Inputs) (any, error) {
	if v.template == nil {
		return v.fixed, nil
	}
	made, err := v.template.Tree(in)
	if err != nil {
		return nil, err
	}
	return c.own(made)
}

// own returns a tree that shares nothing with what a template was made of, and
// holds none of the expressions' own types.
func (c *Change) own(v any) (any, error) {
	text, err := tree.Append(nil, v, c.limit)
	if err != nil {
		return nil, err
	}
	return tree.Decode(text)
}

// value is one that a patch brings: fixed, or made of a template.
type value struct {
	fixed    any
	template *Template
}

// builder compiles a change.
type builder struct {
	use    For
	change *Change
	wrong  []Wrong
}

func (b *builder) add(field, format string, args ...any) {
	b.wrong = append(b.wrong, Wrong{field, fmt.Sprintf(format, args...)})
}

func (b *builder) template(field string, source json.RawMessage) *Template {
	t, err := JSON(source, b.use)
	if err != nil {
		b.add(field, "%s", err)
		return nil
	}
	b.change.uses = append(b.change.uses, t)
	return t
}

func (b *builder) value(field string, source json.RawMessage) *value {
	t := b.template(field, source)
	if t == nil {
		return nil
	}
	if t.count > 0 {
		return &value{template: t}
	}
	fixed, err := t.Tree(&Inputs{})
	if err != nil {
		b.add(field, "%s", err)
	}
	return &value{fixed: fixed}
}

func (b *builder) operation(at string, p entry.JSONPatch) {
	o := operation{Operation: tree.Operation{Op: p.Op}}
	var err error
	if o.Path, err = tree.ParsePointer(p.Path); err != nil {
		b.add(at+".path", "%s", err)
	}
	valued, moving := false, false
	switch p.Op {
	case "add", "replace", "test":
		valued = true
	case "move", "copy":
		moving = true
	case "remove":
	default:
		b.add(at+".op", `want "add", "remove", "replace", "move", "copy" or "test", got %q`, p.Op)
		return
	}
	switch {
	case valued && len(p.Value) == 0:
		b.add(at+".value", "is missing; %s wants one", p.Op)
	case valued:
		o.value = b.value(at+".value", p.Value)
	case len(p.Value) > 0:
		b.add(at+".value", "%s takes none", p.Op)
	}
	if !moving && p.From != "" {
		b.add(at+".from", "%s takes none", p.Op)
	} else if o.From, err = tree.ParsePointer(p.From); err != nil {
		b.add(at+".from", "%s", err)
	}
	b.change.patch = append(b.change.patch, o)
}

func (b *builder) paths(field string, sources []string) *tree.Paths {
	if len(sources) == 0 {
		return nil
	}
	if len(sources) > MaxPaths {
		b.add(field, "want at most %d, got %d", MaxPaths, len(sources))
		return nil
	}
	for i, s := range sources {
		if s == "" {
			b.add(fmt.Sprintf("%s[%d]", field, i), "names the whole body")
		}
	}
	p, at, err := tree.ParsePaths(sources)
	if err != nil {
		b.add(fmt.Sprintf("%s[%d]", field, at), "%s", err)
		return nil
	}
	return p
}

// present reports whether a value was given. A null in its place is none.
func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}
