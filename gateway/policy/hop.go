package policy

import (
	"slices"
	"strings"
)

// StripHop removes what concerns one connection only (RFC 9110 section 7.6.1):
// the fields known for it, and those that Connection names.
func StripHop(h *Header) {
	first := slices.IndexFunc(h.fields, hop)
	if first < 0 {
		return
	}
	if slices.ContainsFunc(h.fields[first:], namesMore) {
		stripNamed(h)
		return
	}
	kept := h.fields[:first]
	for _, f := range h.fields[first+1:] {
		if !Hop(f.Name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

func hop(f Field) bool { return Hop(f.Name) }

// namesMore reports whether a field is a Connection that may name others than
// those which go anyway.
func namesMore(f Field) bool {
	return FoldEqual(f.Name, "Connection") && f.Value != "keep-alive"
}

// stripNamed is StripHop where Connection says more than most do.
func stripNamed(h *Header) {
	for {
		value, ok := h.Value("Connection")
		if !ok {
			break
		}
		delFirst(h, "Connection")
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); name != "" && !FoldEqual(name, "Connection") {
				h.Del(name)
			}
		}
	}
	h.DelFunc(hop)
}

// Hop reports whether a field is known to concern one connection only.
func Hop(name string) bool {
	switch len(name) {
	case 2:
		return FoldEqual(name, "TE")
	case 6:
		return FoldEqual(name, "Expect")
	case 7:
		return FoldEqual(name, "Upgrade") || FoldEqual(name, "Trailer")
	case 10:
		return FoldEqual(name, "Keep-Alive") || FoldEqual(name, "Connection")
	case 16:
		return FoldEqual(name, "Proxy-Connection")
	case 17:
		return FoldEqual(name, "Transfer-Encoding")
	case 18:
		return FoldEqual(name, "Proxy-Authenticate")
	case 19:
		return FoldEqual(name, "Proxy-Authorization")
	case 25:
		return FoldEqual(name, "Proxy-Authentication-Info")
	}
	return false
}

func delFirst(h *Header, name string) {
	for i := range h.fields {
		if FoldEqual(h.fields[i].Name, name) {
			h.fields = append(h.fields[:i], h.fields[i+1:]...)
			return
		}
	}
}

// Managed reports whether a header is rebuilt by the gateway and never passed
// on from a caller: Forwarded, X-Forwarded-*, X-Real-IP, X-Request-Id,
// X-Portico-*, and their aliases with underscores, which some servers read as
// the same names.
func Managed(name string) bool {
	return len(name) >= 9 && (name[0]|0x20 == 'x' || name[0]|0x20 == 'f') && managed(name)
}

func managed(name string) bool {
	switch len(name) {
	case 9:
		if aliasEqual(name, "Forwarded") || aliasEqual(name, "X-Real-IP") {
			return true
		}
	case 12:
		if aliasEqual(name, "X-Request-Id") {
			return true
		}
	}
	return len(name) > 10 && (aliasEqual(name[:10], "X-Portico-") || len(name) > 12 && aliasEqual(name[:12], "X-Forwarded-"))
}

func aliasEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == '_' {
			x = '-'
		}
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
