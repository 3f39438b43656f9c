package policy

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/entry/template"
)

// pathStep is the policy "path". It changes the path that the upstream is
// called by, and never the one that was matched.
type pathStep struct {
	template    *template.Path
	pattern     *regexp.Regexp
	prefix      string // escaped, "" for every path
	replacement string // escaped, but for a pattern's
}

func newPathStep(c entry.PathPolicy) *pathStep {
	s := &pathStep{replacement: c.Replacement}
	switch {
	case c.Template != "":
		if made, err := template.Parse(c.Template); err == nil {
			s.template = &made
		}
	case c.Pattern != "":
		s.pattern, _ = check.Pattern(c.Pattern) // it passed entry/check
	default:
		s.prefix, s.replacement = wirePrefix(c.Prefix), wirePrefix(c.Replacement)
	}
	return s
}

// wirePrefix is a path's beginning as paths are sent, without a slash at its
// end.
func wirePrefix(s string) string {
	if s == "" || s == "/" {
		return ""
	}
	path, _, _ := Canonical(s, nil)
	return path.Wire
}

// Run implements Step.
func (s *pathStep) Run(_ context.Context, ex *Exchange) error {
	made := ex.Scratch()
	switch path := ex.UpstreamPath; {
	case s.template != nil:
		made = AppendPath(made, s.template, &ex.Params)
	case s.pattern != nil:
		at := s.pattern.FindStringSubmatchIndex(path)
		if at == nil {
			return nil
		}
		made = append(made, path[:at[0]]...)
		made = s.pattern.ExpandString(made, s.replacement, path, at)
		made = append(made, path[at[1]:]...)
	default:
		rest, ok := strings.CutPrefix(path, s.prefix)
		if !ok || rest != "" && rest[0] != '/' {
			return nil
		}
		made = append(append(made, s.replacement...), rest...)
	}
	raw := ex.Keep(made)
	if raw == "" {
		raw = "/"
	}
	if len(raw) > maxFilled {
		return pathRefused("It is longer than 8 KiB.")
	}
	path, scratch, err := Canonical(raw, ex.Scratch())
	ex.Grow(scratch)
	if err != nil {
		return pathRefused(err.Error())
	}
	ex.UpstreamPath = path.Wire
	return nil
}

func pathRefused(why string) error {
	return &Denied{
		Status: http.StatusBadRequest, Code: "request_invalid",
		Detail: "The service behind this API cannot be called by the path that its path policy makes of this one. " + why,
	}
}

func (s *pathStep) explain(ex *Exchange) string { return "the upstream's path is " + ex.UpstreamPath }
