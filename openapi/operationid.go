package openapi

import (
	"strconv"
	"strings"
)

// nameAll gives every operation its ID and slug. Given ids are taken first,
// so that a synthesised one never displaces them.
func (r *operationReader) nameAll() {
	used := make(map[string]bool, len(r.operations))
	for i := range r.operations {
		o := &r.operations[i]
		switch {
		case o.GivenID == "":
		case used[o.GivenID]:
			r.src.found.add(r.places[i].operation.Get("operationId"), SeverityWarning, FindOperationIDDuplicate, "Give every operation an id of its own.",
				"The operation id %q is used before; this operation gets one made of its method and path.", short(o.GivenID))
		default:
			o.ID = o.GivenID
			used[o.ID] = true
		}
	}
	slugs := make(map[string]bool, len(r.operations))
	for i := range r.operations {
		o := &r.operations[i]
		if o.ID == "" {
			o.ID, o.Synthesised = unique(synthesise(o), "_", used), true
			if o.GivenID == "" {
				r.src.found.add(r.places[i].operation, SeverityInfo, FindOperationIDMissing, "Give the operation an operationId; generated clients use it as a name.",
					"%s %s has no operation id; %q is used.", o.Method, short(o.PathGiven), o.ID)
			}
		}
		o.Slug = unique(slug(o.ID), "-", slugs)
	}
}

// synthesise is method and path as one name: get_users_id. It depends on
// nothing else, so that it is the same at the next import.
func synthesise(o *Operation) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(o.Method))
	gap := true
	for _, c := range []byte(o.PathGiven) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			if gap {
				b.WriteByte('_')
			}
			gap = false
			b.WriteByte(c)
		} else {
			gap = true
		}
	}
	return short(b.String())
}

// slug keeps the letters, digits, dots, dashes and underscores of an id.
func slug(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			b.WriteByte(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 100 {
			break
		}
	}
	if out := strings.Trim(b.String(), "-"); out != "" {
		return out
	}
	return "operation"
}

// unique is the name, numbered from 2 on if it is used already.
func unique(name, separator string, used map[string]bool) string {
	out := name
	for i := 2; used[out]; i++ {
		out = name + separator + strconv.Itoa(i)
	}
	used[out] = true
	return out
}
