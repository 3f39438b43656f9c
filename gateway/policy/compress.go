package policy

import (
	"context"
	"net/http"
	"strings"

	"portico/gateway/cache"
	"portico/gateway/coding"
	"portico/internal/entry"
)

// compressStep packs answers as the caller likes.
type compressStep struct {
	order   []coding.Coding
	types   []string // lower case; with a final slash: all of its kind
	least   int64    // of a body, in bytes
	packers *coding.Packers
}

const (
	leastPacked = 1024
	packedAtOne = 512 // answers at once
)

func newCompressStep(config entry.CompressPolicy) *compressStep {
	s := &compressStep{least: config.MinBytes}
	if s.least == 0 {
		s.least = leastPacked
	}
	for _, name := range config.Codings {
		if c, ok := coding.Parse(name); ok {
			s.order = append(s.order, c)
		}
	}
	if s.order == nil {
		s.order = []coding.Coding{coding.Zstd, coding.Brotli, coding.Gzip}
	}
	for _, t := range config.Types {
		s.types = append(s.types, strings.ToLower(strings.TrimSuffix(t, "*")))
	}
	level := coding.Balanced
	switch config.Level {
	case "fast":
		level = coding.Fast
	case "best":
		level = coding.Best
	}
	s.packers = coding.NewPackers(level, packedAtOne)
	return s
}

// Run implements Step: there is nothing to do before the answer.
func (*compressStep) Run(context.Context, *Exchange) error { return nil }

// Answer implements Answerer.
func (s *compressStep) Answer(_ context.Context, ex *Exchange) error {
	a, head := &ex.Answer, ex.Method == http.MethodHead
	if a.Status == http.StatusNotModified { // it is of an answer that may have been packed
		addVary(&a.Header, "Accept-Encoding")
		return nil
	}
	if a.Body == nil && !head || a.Tunnel != nil || a.Told != 0 || a.Length >= 0 && a.Length < s.least {
		return nil
	}
	switch a.Status {
	case http.StatusNoContent, http.StatusPartialContent:
		return nil
	}
	if kind, ok := a.Header.Value("Content-Type"); !ok || !s.covers(kind) {
		return nil
	}
	if encoded, ok := a.Header.Value("Content-Encoding"); ok && !FoldEqual(encoded, "identity") {
		return nil
	}
	if noTransform(&a.Header) || noTransform(&ex.Header) {
		return nil
	}
	addVary(&ex.Answer.Header, "Accept-Encoding")
	var likes coding.Chooser
	for _, f := range ex.Header.Fields() {
		if len(f.Name) == 15 && FoldEqual(f.Name, "Accept-Encoding") {
			likes.Add(f.Value)
		}
	}
	best := likes.Best(s.order)
	if best == 0 {
		return nil
	}
	if !head {
		body := s.packers.Pack(best, a.Body, a.Length < 0)
		if body == nil {
			return nil
		}
		a.Body = body
	}
	a.Length = -1
	a.Header.Set("Content-Encoding", best.String())
	remade(ex)
	return nil
}

// covers reports whether a media type is one to pack.
func (s *compressStep) covers(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	kind = strings.Trim(kind, " \t")
	if s.types == nil {
		return packsWell(kind)
	}
	for _, t := range s.types {
		if FoldEqual(kind, t) || t[len(t)-1] == '/' && len(kind) > len(t) && FoldEqual(kind[:len(t)], t) {
			return true
		}
	}
	return false
}

// packsWell tells the media types that are texts of some kind, streams apart.
func packsWell(kind string) bool {
	if len(kind) > 5 && FoldEqual(kind[:5], "text/") {
		return !FoldEqual(kind, "text/event-stream")
	}
	if len(kind) > 5 && (FoldEqual(kind[len(kind)-5:], "+json") || FoldEqual(kind[len(kind)-4:], "+xml")) {
		return true
	}
	for _, t := range [...]string{
		"application/json", "application/xml", "application/javascript", "application/yaml", "application/graphql",
		"application/x-ndjson", "application/ndjson", "application/wasm", "application/x-www-form-urlencoded", "font/ttf", "font/otf",
	} {
		if FoldEqual(kind, t) {
			return true
		}
	}
	return false
}

// noTransform reports whether a head forbids to change the body.
func noTransform(h *Header) bool {
	for _, f := range h.Fields() {
		if len(f.Name) == 13 && FoldEqual(f.Name, "Cache-Control") {
			if c := cache.NewControl(); strings.Contains(f.Value, "ransform") {
				if c.Add(f.Value); c.NoTransform {
					return true
				}
			}
		}
	}
	return false
}
