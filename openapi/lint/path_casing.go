package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func pathCasing() rule {
	return rule{Rule{
		Code: "style/path-casing", Severity: openapi.SeverityInfo,
		Title: "All paths are written in one style",
		Fix:   "Write all segments of paths in the style that most of them have.",
	}, func(c *check) {
		type use struct {
			at      tree.Node
			segment string
			style   string
		}
		var uses []use
		count := make(map[string]int)
		for path := range c.doc.Root().Get("paths").Children() {
			key, _, _ := strings.Cut(path.Key(), "?")
			key, _, _ = strings.Cut(key, "#")
			for segment := range strings.SplitSeq(key, "/") {
				if style := casing(segment); style != "" {
					uses = append(uses, use{path, segment, style})
					count[style]++
				}
			}
		}
		common := ""
		for _, style := range []string{"kebab-case", "snake_case", "camelCase", "PascalCase"} {
			if count[style] > count[common] {
				common = style
			}
		}
		for _, u := range uses {
			if c.places++; u.style != common {
				c.breaks(u.at, "%q is %s; most segments here are %s.", clip(u.segment), u.style, common)
			}
		}
	}}
}

// casing is the style of a segment, or "" where it shows none: one lower-case
// word, or a parameter.
func casing(segment string) string {
	if strings.ContainsAny(segment, "{}.:*+@~%$ ") {
		return ""
	}
	upper := strings.ToLower(segment) != segment
	switch {
	case strings.Contains(segment, "-"):
		return "kebab-case"
	case strings.Contains(segment, "_"):
		return "snake_case"
	case upper && segment[0] >= 'A' && segment[0] <= 'Z':
		return "PascalCase"
	case upper:
		return "camelCase"
	}
	return ""
}
