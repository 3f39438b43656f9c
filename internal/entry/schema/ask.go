package schema

import (
	"maps"
	"slices"
)

// Kinds says of which types a value of the schema may be, "" for any, looking
// through references and alternatives. It is for texts that have no type of their
// own, such as parameters.
func (s *Schema) Kinds() map[string]bool {
	t := s.kinds()
	if t == 0 {
		return nil
	}
	out := map[string]bool{}
	for i, name := range typeNames {
		if t&(1<<i) != 0 {
			out[name] = true
		}
	}
	return out
}

// mostLooks bounds how many schemas are looked through for what one says of
// itself: references may lead the same way by exponentially many.
const mostLooks = 2_000

// kinds is 0 for any type.
func (s *Schema) kinds() types {
	looks := mostLooks
	return s.allows(map[*Schema]bool{}, &looks)
}

func (s *Schema) allows(seen map[*Schema]bool, looks *int) types {
	if *looks--; s == nil || seen[s] || *looks < 0 {
		return 0
	}
	seen[s] = true
	defer delete(seen, s)
	t := s.types
	if t == 0 {
		t = s.enumTypes
	}
	narrow := func(by types) {
		if t == 0 {
			t = by
		} else if by != 0 {
			t &= by
		}
	}
	narrow(s.ref.allows(seen, looks))
	for _, sub := range s.all {
		narrow(sub.allows(seen, looks))
	}
	for _, list := range [][]*Schema{s.any, s.one} {
		var either types
		for _, sub := range list {
			one := sub.allows(seen, looks)
			if one == 0 {
				either = 0
				break
			}
			either |= one
		}
		narrow(either)
	}
	if t == 0 && len(s.properties) > 0 {
		t = typeObject
	}
	if t == 0 && s.items != nil {
		t = typeArray
	}
	return t
}

// Property returns the schema of an object's property, and Items that of a list's
// item, looking through references and allOf; nil for none.
func (s *Schema) Property(name string) *Schema {
	return s.look(func(s *Schema) *Schema {
		for _, p := range s.properties {
			if p.name == name {
				return p.schema
			}
		}
		return nil
	})
}

// Items is beside Property.
func (s *Schema) Items() *Schema {
	return s.look(func(s *Schema) *Schema { return s.items })
}

// Properties lists the names of an object's properties, in order.
func (s *Schema) Properties() []string {
	names := map[string]bool{}
	s.look(func(s *Schema) *Schema {
		for _, p := range s.properties {
			names[p.name] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(names))
}

// Open reports whether an object may have properties that are not named.
func (s *Schema) Open() bool {
	closed := s.look(func(s *Schema) *Schema {
		if s.additional != nil && s.additional.never {
			return s.additional
		}
		return nil
	})
	return closed == nil
}

// look asks a schema, then those that it refers to and is composed of.
func (s *Schema) look(ask func(*Schema) *Schema) *Schema {
	looks := mostLooks
	return s.find(&looks, 0, ask)
}

func (s *Schema) find(looks *int, depth int, ask func(*Schema) *Schema) *Schema {
	if *looks--; s == nil || depth > 16 || *looks < 0 {
		return nil
	}
	if got := ask(s); got != nil {
		return got
	}
	if got := s.ref.find(looks, depth+1, ask); got != nil {
		return got
	}
	for _, list := range [][]*Schema{s.all, s.any, s.one} {
		for _, sub := range list {
			if got := sub.find(looks, depth+1, ask); got != nil {
				return got
			}
		}
	}
	return nil
}
