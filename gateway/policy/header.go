package policy

import "portico/gateway/http1"

// Field is one header field as it came or goes.
type Field = http1.Field

// Header is a list of fields in the order in which they came. Names compare
// without regard to case. The zero value is empty and ready for use.
type Header struct{ fields []Field }

// Fields returns the fields. The slice is the header's own: valid until the
// next edit.
func (h *Header) Fields() []Field { return h.fields }

// Add appends a field.
func (h *Header) Add(name, value string) {
	h.fields = append(h.fields, Field{Name: name, Value: value})
}

// AddAll appends fields, which are copied.
func (h *Header) AddAll(fields []Field) { h.fields = append(h.fields, fields...) }

// Set replaces every field of that name by one.
func (h *Header) Set(name, value string) {
	for i := range h.fields {
		if FoldEqual(h.fields[i].Name, name) {
			h.fields[i].Value = value
			h.delFrom(i+1, name)
			return
		}
	}
	h.Add(name, value)
}

// Value returns the first field of that name.
func (h *Header) Value(name string) (value string, ok bool) {
	for i := range h.fields {
		if FoldEqual(h.fields[i].Name, name) {
			return h.fields[i].Value, true
		}
	}
	return "", false
}

// Del removes every field of that name.
func (h *Header) Del(name string) { h.delFrom(0, name) }

// DelFunc removes the fields for which drop reports true.
func (h *Header) DelFunc(drop func(Field) bool) {
	for i, first := range h.fields {
		if !drop(first) {
			continue
		}
		kept := h.fields[:i]
		for _, f := range h.fields[i+1:] {
			if !drop(f) {
				kept = append(kept, f)
			}
		}
		h.fields = kept
		return
	}
}

// Rename gives every field of a name another one. Those that had it before go,
// where there is something to take their place.
func (h *Header) Rename(from, to string) {
	if _, ok := h.Value(from); !ok {
		return
	}
	h.Del(to)
	for i := range h.fields {
		if FoldEqual(h.fields[i].Name, from) {
			h.fields[i].Name = to
		}
	}
}

// delPrefix removes every field whose name begins so.
func (h *Header) delPrefix(before string) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if len(f.Name) < len(before) || !FoldEqual(f.Name[:len(before)], before) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

// Reset empties the header and keeps its memory.
func (h *Header) Reset() {
	clear(h.fields)
	h.fields = h.fields[:0]
}

func (h *Header) delFrom(start int, name string) {
	for i := start; i < len(h.fields); i++ {
		if !FoldEqual(h.fields[i].Name, name) {
			continue
		}
		kept := h.fields[:i]
		for _, f := range h.fields[i+1:] {
			if !FoldEqual(f.Name, name) {
				kept = append(kept, f)
			}
		}
		h.fields = kept
		return
	}
}

// FoldEqual compares ASCII without regard to case, as field names are compared.
// Most names differ in length: so much is done where it is called.
func FoldEqual(a, b string) bool { return len(a) == len(b) && foldEqual(a, b) }

func foldEqual(a, b string) bool {
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}
