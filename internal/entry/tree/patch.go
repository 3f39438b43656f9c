package tree

import (
	"errors"
	"fmt"
	"slices"
)

// Operation is one operation of a JSON Patch.
type Operation struct {
	Op    string // "add", "remove", "replace", "move", "copy" or "test"
	Path  Pointer
	From  Pointer // of "move" and "copy"
	Value any     // of "add", "replace" and "test"
}

// ErrTest is of a patch whose test did not hold.
var ErrTest = errors.New("is not what the patch tests for")

// Patch applies operations in their order, and returns the tree that results.
// After an error the tree that was given must not be used any more.
func Patch(v any, operations []Operation) (any, error) {
	budget := 2 * MaxValues // what copies may add
	for i, o := range operations {
		var err error
		if v, err = o.apply(v, &budget); err != nil {
			return nil, fmt.Errorf("operation %d, %s %s: %w", i, o.Op, o.Path, err)
		}
	}
	return v, nil
}

func (o *Operation) apply(v any, budget *int) (any, error) {
	switch o.Op {
	case "add":
		value, err := clone(o.Value, budget)
		if err != nil {
			return nil, err
		}
		return add(v, o.Path, value)
	case "remove":
		v, _, err := remove(v, o.Path)
		return v, err
	case "replace":
		value, err := clone(o.Value, budget)
		if err != nil {
			return nil, err
		}
		return replace(v, o.Path, value)
	case "move":
		if len(o.From) < len(o.Path) && slices.Equal(o.From, o.Path[:len(o.From)]) {
			return nil, errors.New("what is moved cannot move into itself")
		}
		v, value, err := remove(v, o.From)
		if err != nil {
			return nil, err
		}
		return add(v, o.Path, value)
	case "copy":
		value, err := o.From.find(v)
		if err == nil {
			value, err = clone(value, budget)
		}
		if err != nil {
			return nil, err
		}
		return add(v, o.Path, value)
	case "test":
		value, err := o.Path.find(v)
		if err == nil && !Equal(value, o.Value) {
			err = ErrTest
		}
		return v, err
	}
	return nil, fmt.Errorf("%q is no operation", o.Op)
}

// add puts a value at a place: a new member or in the place of one, or before an
// element of a list.
func add(v any, at Pointer, value any) (any, error) {
	return edit(v, at, value, func(holder any, last string) (any, error) {
		switch h := holder.(type) {
		case map[string]any:
			h[last] = value
			return h, nil
		case []any:
			n := len(h)
			if last != "-" {
				var ok bool
				if n, ok = index(last, len(h)+1); !ok {
					return nil, at.missing(len(at) - 1)
				}
			}
			return slices.Insert(h, n, value), nil
		}
		return nil, at.missing(len(at) - 1)
	})
}

// replace puts a value in the place of one that is there.
func replace(v any, at Pointer, value any) (any, error) {
	return edit(v, at, value, func(holder any, last string) (any, error) {
		switch h := holder.(type) {
		case map[string]any:
			if _, ok := h[last]; ok {
				h[last] = value
				return h, nil
			}
		case []any:
			if n, ok := index(last, len(h)); ok {
				h[n] = value
				return h, nil
			}
		}
		return nil, at.missing(len(at) - 1)
	})
}

// remove takes away what is at a place, and returns it. Of the whole, null is
// left.
func remove(v any, at Pointer) (rest, removed any, err error) {
	if len(at) == 0 {
		return nil, v, nil
	}
	rest, err = edit(v, at, nil, func(holder any, last string) (any, error) {
		switch h := holder.(type) {
		case map[string]any:
			if value, ok := h[last]; ok {
				removed = value
				delete(h, last)
				return h, nil
			}
		case []any:
			if n, ok := index(last, len(h)); ok {
				removed = h[n]
				return slices.Delete(h, n, n+1), nil
			}
		}
		return nil, at.missing(len(at) - 1)
	})
	return rest, removed, err
}

// edit walks to what holds the last segment and puts there what change makes of
// it. At the whole, value takes its place.
func edit(v any, at Pointer, value any, change func(holder any, last string) (any, error)) (any, error) {
	if len(at) == 0 {
		return value, nil
	}
	if len(at) == 1 {
		return change(v, at[0])
	}
	below, err := at[:1].find(v)
	if err != nil {
		return nil, err
	}
	if below, err = edit(below, at[1:], value, change); err != nil {
		return nil, err
	}
	switch h := v.(type) {
	case map[string]any:
		h[at[0]] = below
	case []any:
		n, _ := index(at[0], len(h)) // find has found it
		h[n] = below
	}
	return v, nil
}
