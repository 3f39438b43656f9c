package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Direction says which way a value travels.
type Direction uint8

// The directions. Of a request readOnly properties need not be there, of an
// answer writeOnly ones.
const (
	Neither Direction = iota
	Request
	Answer
)

// Options say how a value is held to a schema. The zero value means the bounds
// of a call's body.
type Options struct {
	Direction Direction
	// Strict refuses what is readOnly in a request, and writeOnly in an answer.
	Strict bool
	Errors int // reported at most; 0: 20
	Steps  int // spent at most; 0: 2,000,000
}

// Error is one thing that is wrong with a value.
type Error struct {
	Pointer string // JSON pointer into the value; "" is all of it
	Reason  string
}

// Check returns what is wrong with a value, nothing where all is well. What takes
// more steps than there are is wrong as well.
func (s *Schema) Check(v Value, o Options) []Error {
	if o.Errors == 0 {
		o.Errors = 20
	}
	if o.Steps == 0 {
		o.Steps = 2_000_000
	}
	r := run{Options: o}
	r.path = r.room[:0]
	r.scope = r.scopes[:0]
	ok := r.check(s, v, nil)
	switch {
	case r.spent:
		return append(r.errors, Error{Reason: "takes too long to be compared with its schema"})
	case !ok && len(r.errors) == 0:
		return []Error{{Reason: "does not match its schema"}}
	case ok:
		return nil
	}
	return r.errors
}

type run struct {
	Options
	errors []Error
	quiet  int
	depth  int
	spent  bool
	path   []token
	scope  []*resource
	room   [16]token
	scopes [8]*resource
}

type token struct {
	name string
	at   int // of a list, where name is ""
	list bool
}

// evaluated is which members and items were looked at by name or place.
type evaluated struct {
	members []bool
	items   []bool
}

func (e *evaluated) merge(other *evaluated) {
	for i, seen := range other.members {
		if seen {
			e.members[i] = true
		}
	}
	for i, seen := range other.items {
		if seen {
			e.items[i] = true
		}
	}
}

func freshEvaluated(v Value) *evaluated {
	switch v := v.(type) {
	case *Object:
		return &evaluated{members: make([]bool, len(v.Members))}
	case []Value:
		return &evaluated{items: make([]bool, len(v))}
	}
	return &evaluated{}
}

func (r *run) pointer() string {
	var out strings.Builder
	for _, t := range r.path {
		out.WriteByte('/')
		if t.list {
			out.WriteString(strconv.Itoa(t.at))
		} else {
			out.WriteString(strings.ReplaceAll(strings.ReplaceAll(t.name, "~", "~0"), "/", "~1"))
		}
	}
	return out.String()
}

func (r *run) fail(format string, args ...any) {
	if r.quiet > 0 || len(r.errors) >= r.Errors {
		return
	}
	r.errors = append(r.errors, Error{r.pointer(), fmt.Sprintf(format, args...)})
}

// over reports whether there is no point in going on.
func (r *run) over() bool { return r.spent || r.quiet == 0 && len(r.errors) >= r.Errors }

func (r *run) silently(fn func() bool) bool {
	r.quiet++
	ok := fn()
	r.quiet--
	return ok
}

// maxCalls bounds schemas that lead to schemas without going into the value.
const maxCalls = 600

// check holds v to s. ev, where somebody wants to know, learns what was looked at.
func (r *run) check(s *Schema, v Value, ev *evaluated) bool {
	if r.Steps--; r.Steps < 0 || r.depth > maxCalls {
		r.spent = true
		return false
	}
	if s.never {
		r.fail("is not allowed")
		return false
	}
	if s.readOnly && r.Strict && r.Direction == Request {
		r.fail("is read-only and cannot be sent")
		return false
	}
	if s.writeOnly && r.Strict && r.Direction == Answer {
		r.fail("is write-only and must not be shown")
		return false
	}
	r.depth++
	pushed := false
	if s.resource != nil && (len(r.scope) == 0 || r.scope[len(r.scope)-1] != s.resource) {
		r.scope, pushed = append(r.scope, s.resource), true
	}
	ok := r.checkAll(s, v, ev)
	if pushed {
		r.scope = r.scope[:len(r.scope)-1]
	}
	r.depth--
	return ok && !r.spent
}

func (r *run) checkAll(s *Schema, v Value, outer *evaluated) bool {
	if s.types != 0 && !s.types.has(v) {
		r.fail("is %s, not %s", article(v), s.types)
		return false
	}
	ok := true
	if s.constant != nil || s.enum != nil {
		ok = r.given(s, v)
	}
	ev := outer
	if ev == nil && s.wantsEvaluated {
		ev = freshEvaluated(v)
	} else if outer != nil && s.wantsEvaluated {
		ev = freshEvaluated(v) // cousins' work is not this schema's
	}
	switch v := v.(type) {
	case Number:
		ok = r.number(s, v) && ok
	case string:
		ok = r.string(s, v) && ok
	case []Value:
		ok = r.list(s, v, ev) && ok
	case *Object:
		ok = r.object(s, v, ev) && ok
	}
	ok = r.inPlace(s, v, ev) && ok
	if ok && s.wantsEvaluated {
		ok = r.unevaluated(s, v, ev)
	}
	if ok && outer != nil && ev != outer {
		outer.merge(ev)
	}
	return ok
}

// given holds a value to const and enum.
func (r *run) given(s *Schema, v Value) bool {
	key, may := "", s.enumTypes.has(v)
	if may {
		key = canonical(v)
		r.cost(len(key) / 16)
	}
	ok := true
	if s.constant != nil && (!may || key != *s.constant) {
		r.fail("is not %s", s.constText)
		ok = false
	}
	if s.enum != nil {
		if _, found := s.enum[key]; !found || !may {
			r.fail("is none of %s", s.enumText)
			ok = false
		}
	}
	return ok
}

// cost takes steps for what takes longer than a step.
func (r *run) cost(steps int) {
	if r.Steps -= steps; r.Steps < 0 {
		r.spent = true
	}
}

// matching is what it costs to hold a text to a pattern.
func matching(text string) int { return 4 + len(text)/4 }

func (t types) has(v Value) bool {
	switch v := v.(type) {
	case nil:
		return t&typeNull != 0
	case bool:
		return t&typeBool != 0
	case string:
		return t&typeString != 0
	case []Value:
		return t&typeArray != 0
	case *Object:
		return t&typeObject != 0
	case Number:
		return t&typeNumber != 0 || t&typeInteger != 0 && v.Whole()
	}
	return false
}

func article(v Value) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case Number:
		return "a number"
	case []Value:
		return "an array"
	}
	return "an object"
}

func (r *run) number(s *Schema, n Number) bool {
	ok := true
	if s.minimum != nil && n.compare(*s.minimum) < 0 {
		r.fail("is less than %s", *s.minimum)
		ok = false
	}
	if s.maximum != nil && n.compare(*s.maximum) > 0 {
		r.fail("is more than %s", *s.maximum)
		ok = false
	}
	if s.above != nil && n.compare(*s.above) <= 0 {
		r.fail("is not more than %s", *s.above)
		ok = false
	}
	if s.below != nil && n.compare(*s.below) >= 0 {
		r.fail("is not less than %s", *s.below)
		ok = false
	}
	if s.multiple != nil && !n.multipleOf(*s.multiple) {
		r.fail("is no multiple of %s", *s.multiple)
		ok = false
	}
	if s.format != "" && !numberFormat(s.format, n) {
		r.fail("does not fit into %s", s.format)
		ok = false
	}
	return ok
}

func (r *run) string(s *Schema, text string) bool {
	ok := true
	if s.minLength > 0 || s.maxLength >= 0 {
		n := int64(utf8.RuneCountInString(text))
		if n < s.minLength {
			r.fail("has %d characters; at least %d are wanted", n, s.minLength)
			ok = false
		}
		if s.maxLength >= 0 && n > s.maxLength {
			r.fail("has %d characters; at most %d are allowed", n, s.maxLength)
			ok = false
		}
	}
	if s.pattern != nil {
		if r.cost(matching(text)); !s.pattern.MatchString(text) {
			r.fail("does not match the pattern %s", clip(s.pattern.String()))
			ok = false
		}
	}
	if s.format != "" && !stringFormat(s.format, text) {
		r.fail("is no %s", s.format)
		ok = false
	}
	return ok
}

func (r *run) list(s *Schema, list []Value, ev *evaluated) bool {
	ok := true
	n := int64(len(list))
	if n < s.minItems {
		r.fail("has %d items; at least %d are wanted", n, s.minItems)
		ok = false
	}
	if s.maxItems >= 0 && n > s.maxItems {
		r.fail("has %d items; at most %d are allowed", n, s.maxItems)
		return false
	}
	if s.unique && !r.unique(list) {
		ok = false
	}
	if s.prefix != nil || s.items != nil {
		for i, item := range list {
			sub := s.items
			if i < len(s.prefix) {
				sub = s.prefix[i]
			}
			if sub == nil {
				break
			}
			if !r.item(sub, i, item) {
				if ok = false; r.quiet > 0 || r.over() {
					return false
				}
			}
			if ev != nil {
				ev.items[i] = true
			}
		}
	}
	if s.contains != nil {
		ok = r.contains(s, list, ev) && ok
	}
	return ok
}

func (r *run) item(s *Schema, i int, v Value) bool {
	r.path = append(r.path, token{at: i, list: true})
	ok := r.check(s, v, nil)
	r.path = r.path[:len(r.path)-1]
	return ok
}

func (r *run) unique(list []Value) bool {
	seen := make(map[string]int, len(list))
	for i, v := range list {
		key := canonical(v)
		if r.cost(1 + len(key)/16); r.spent {
			return false
		}
		if before, ok := seen[key]; ok {
			r.fail("holds the same twice, at %d and %d", before, i)
			return false
		}
		seen[key] = i
	}
	return true
}

func (r *run) contains(s *Schema, list []Value, ev *evaluated) bool {
	found := int64(0)
	for i, item := range list {
		if r.silently(func() bool { return r.item(s.contains, i, item) }) {
			found++
			if ev != nil {
				ev.items[i] = true
			}
		}
		if r.spent {
			return false
		}
	}
	least := s.minContains
	if least == unset {
		least = 1
	}
	if found < least || s.maxContains >= 0 && found > s.maxContains {
		r.fail("has %d items of the kind that it has to contain", found)
		return false
	}
	return true
}

func (r *run) object(s *Schema, o *Object, ev *evaluated) bool {
	ok := true
	n := int64(len(o.Members))
	if n < s.minProperties {
		r.fail("has %d properties; at least %d are wanted", n, s.minProperties)
		ok = false
	}
	if s.maxProperties >= 0 && n > s.maxProperties {
		r.fail("has %d properties; at most %d are allowed", n, s.maxProperties)
		return false
	}
	ok = r.required(s, o, s.required) && ok
	if s.properties != nil || s.patterned != nil || s.additional != nil || s.names != nil {
		for i := range o.Members {
			if !r.member(s, &o.Members[i], i, ev) {
				if ok = false; r.quiet > 0 || r.over() {
					return false
				}
			}
		}
	}
	for i := range s.dependent {
		d := &s.dependent[i]
		if _, there := o.Get(d.name); !there {
			continue
		}
		ok = r.required(s, o, d.required) && ok
		if d.schema != nil {
			ok = r.check(d.schema, o, ev) && ok
		}
	}
	return ok
}

func (r *run) required(s *Schema, o *Object, names []string) bool {
	ok := true
	for _, name := range names {
		if _, there := o.Get(name); there || r.Direction != Neither && r.needless(s, name, 0) {
			continue
		}
		if ok = false; r.quiet > 0 || r.over() {
			return false
		}
		r.path = append(r.path, token{name: name})
		r.fail("is missing")
		r.path = r.path[:len(r.path)-1]
	}
	return ok
}

// needless reports whether a property need not be there since it travels the
// other way alone.
func (r *run) needless(s *Schema, name string, depth int) bool {
	if r.cost(1); s == nil || depth > 8 || r.spent {
		return false
	}
	for i := range s.properties {
		if s.properties[i].name == name {
			return r.oneWay(s.properties[i].schema, 0)
		}
	}
	if r.needless(s.ref, name, depth+1) {
		return true
	}
	return slices.ContainsFunc(s.all, func(part *Schema) bool { return r.needless(part, name, depth+1) })
}

func (r *run) oneWay(s *Schema, depth int) bool {
	if r.cost(1); s == nil || depth > 8 || r.spent {
		return false
	}
	return s.readOnly && r.Direction == Request || s.writeOnly && r.Direction == Answer || r.oneWay(s.ref, depth+1) ||
		slices.ContainsFunc(s.all, func(part *Schema) bool { return r.oneWay(part, depth+1) })
}

func (s *Schema) property(name string) *Schema {
	if s.byName != nil {
		if i, ok := s.byName[name]; ok {
			return s.properties[i].schema
		}
		return nil
	}
	for i := range s.properties {
		if s.properties[i].name == name {
			return s.properties[i].schema
		}
	}
	return nil
}

func (r *run) member(s *Schema, m *Member, at int, ev *evaluated) bool {
	ok, matched := true, false
	r.path = append(r.path, token{name: m.Name})
	if s.names != nil {
		before := len(r.errors)
		if !r.check(s.names, m.Name, nil) {
			ok = false
			for i := before; i < len(r.errors); i++ {
				r.errors[i].Reason = "its name " + r.errors[i].Reason
			}
		}
	}
	if sub := s.property(m.Name); sub != nil {
		matched = true
		ok = r.check(sub, m.Value, nil) && ok
	}
	for i := range s.patterned {
		if r.cost(matching(m.Name)); r.spent {
			ok = false
			break
		}
		if s.patterned[i].pattern.MatchString(m.Name) {
			matched = true
			ok = r.check(s.patterned[i].schema, m.Value, nil) && ok
		}
	}
	if !matched && s.additional != nil {
		matched = true
		if s.additional.never {
			r.fail("is not one of the properties")
			ok = false
		} else {
			ok = r.check(s.additional, m.Value, nil) && ok
		}
	}
	r.path = r.path[:len(r.path)-1]
	if matched && ev != nil {
		ev.members[at] = true
	}
	return ok
}

// inPlace holds the value itself to other schemas.
func (r *run) inPlace(s *Schema, v Value, ev *evaluated) bool {
	ok := true
	if s.ref != nil {
		ok = r.check(r.dynamic(s), v, ev) && ok
	}
	for _, part := range s.all {
		if ok = r.check(part, v, ev) && ok; !ok && (r.quiet > 0 || r.over()) {
			return false
		}
	}
	if s.discriminator != "" {
		ok = r.discriminated(s, v, ev) && ok
	} else {
		if s.any != nil {
			ok = r.anyOf(s.any, v, ev) && ok
		}
		if s.one != nil {
			ok = r.oneOf(s.one, v, ev) && ok
		}
	}
	if s.not != nil && r.silently(func() bool { return r.check(s.not, v, nil) }) {
		r.fail("is of a kind that is not allowed")
		ok = false
	}
	if s.when != nil {
		branch := s.orElse
		if r.silently(func() bool { return r.apart(s.when, v, ev) }) {
			branch = s.then
		}
		if branch != nil {
			ok = r.check(branch, v, ev) && ok
		}
	}
	return ok
}

// apart checks without a trace of what was looked at unless all is well.
func (r *run) apart(s *Schema, v Value, ev *evaluated) bool {
	if ev == nil {
		return r.check(s, v, nil)
	}
	own := freshEvaluated(v)
	if !r.check(s, v, own) {
		return false
	}
	ev.merge(own)
	return true
}

// dynamic is where a reference leads: for a dynamic one the outermost resource
// that was come by and has the anchor.
func (r *run) dynamic(s *Schema) *Schema {
	if s.dynamicName == "" {
		return s.ref
	}
	for _, res := range r.scope {
		if to := s.anchored[res.base.String()]; to != nil {
			return to
		}
	}
	return s.ref
}

func (r *run) anyOf(list []*Schema, v Value, ev *evaluated) bool {
	found := false
	for _, sub := range list {
		if r.silently(func() bool { return r.apart(sub, v, ev) }) {
			if found = true; ev == nil {
				return true
			}
		}
		if r.spent {
			return false
		}
	}
	if !found {
		r.nearest(list, v, "matches none of the %d alternatives")
	}
	return found
}

func (r *run) oneOf(list []*Schema, v Value, ev *evaluated) bool {
	found := 0
	for _, sub := range list {
		if r.silently(func() bool { return r.apart(sub, v, ev) }) {
			if found++; found == 2 {
				r.fail("matches more than one of the %d alternatives", len(list))
				return false
			}
		}
		if r.spent {
			return false
		}
	}
	if found == 0 {
		r.nearest(list, v, "matches none of the %d alternatives")
	}
	return found == 1
}

// nearest says what is wrong by the one alternative that is of the value's type,
// where there is just one.
func (r *run) nearest(list []*Schema, v Value, otherwise string) {
	if r.quiet > 0 {
		return
	}
	var near *Schema
	for _, sub := range list {
		r.cost(mostLooks / 10)
		if t := sub.kinds(); t != 0 && !t.has(v) {
			continue
		}
		if near != nil {
			near = nil
			break
		}
		near = sub
	}
	if near != nil {
		r.check(near, v, nil)
		return
	}
	r.fail(otherwise, len(list))
}

func (r *run) discriminated(s *Schema, v Value, ev *evaluated) bool {
	o, ok := v.(*Object)
	if !ok {
		list := s.one
		if list == nil {
			list = s.any
		}
		return r.anyOf(list, v, ev) // such as null
	}
	said, there := o.Get(s.discriminator)
	name, isText := said.(string)
	target := s.mapping[name]
	if target != nil && isText {
		return r.check(target, v, ev)
	}
	r.path = append(r.path, token{name: s.discriminator})
	if there {
		r.fail("is none of the kinds that are known")
	} else {
		r.fail("is missing")
	}
	r.path = r.path[:len(r.path)-1]
	return false
}

func (r *run) unevaluated(s *Schema, v Value, ev *evaluated) bool {
	ok := true
	switch v := v.(type) {
	case []Value:
		if s.unevaluatedItems == nil {
			return true
		}
		for i, item := range v {
			if !ev.items[i] {
				ok = r.item(s.unevaluatedItems, i, item) && ok
				ev.items[i] = true
			}
		}
	case *Object:
		if s.unevaluatedProperties == nil {
			return true
		}
		for i, m := range v.Members {
			if ev.members[i] {
				continue
			}
			r.path = append(r.path, token{name: m.Name})
			if s.unevaluatedProperties.never {
				r.fail("is not one of the properties")
				ok = false
			} else {
				ok = r.check(s.unevaluatedProperties, m.Value, nil) && ok
			}
			r.path = r.path[:len(r.path)-1]
			ev.members[i] = true
		}
	}
	return ok
}
