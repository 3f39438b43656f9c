package check

import (
	"fmt"
	"slices"
	"strings"

	"portico/internal/entry"
)

// maxHeadBytes is how large a request's head may be anyway.
const maxHeadBytes = 32 << 10

func (p *problems) sizePolicy(at string, s entry.SizePolicy) {
	if s.BodyBytes == 0 && s.HeaderBytes == 0 && s.Headers == 0 && s.PathBytes == 0 && s.QueryBytes == 0 && len(s.ContentTypes) == 0 {
		p.add(at, "bounds nothing; set one of its fields")
	}
	p.between(at+".body_bytes", s.BodyBytes, 0, MaxBodyBytes)
	p.between(at+".header_bytes", s.HeaderBytes, 0, maxHeadBytes)
	p.between(at+".headers", int64(s.Headers), 0, 100)
	p.between(at+".path_bytes", s.PathBytes, 0, maxHeadBytes)
	p.between(at+".query_bytes", s.QueryBytes, 0, maxHeadBytes)
	p.count(at+".content_types", len(s.ContentTypes), 0, maxNames)
	for i, t := range upTo(s.ContentTypes, maxNames) {
		field := fmt.Sprintf("%s.content_types[%d]", at, i)
		p.addErr(field, mediaType(t))
		if slices.ContainsFunc(s.ContentTypes[:i], func(other string) bool { return strings.EqualFold(other, t) }) {
			p.add(field, "%s stands there twice", t)
		}
	}
}

// mediaType accepts a type without parameters, whose subtype may be * or
// *+suffix.
func mediaType(s string) error {
	kind, sub, _ := strings.Cut(s, "/")
	suffix, open := strings.CutPrefix(sub, "*+")
	if !open {
		suffix = sub
	}
	if !isToken(kind) || strings.Contains(kind, "*") || !isToken(suffix) || strings.Contains(suffix, "*") && sub != "*" {
		return fmt.Errorf("%q is not a media type, such as application/json, image/* or application/*+json", s)
	}
	return nil
}
