package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

const maxCompressTypes = 64

func (p *problems) compressPolicy(at string, c entry.CompressPolicy) {
	seen := map[string]bool{}
	for i, name := range c.Codings {
		field := fmt.Sprintf("%s.codings[%d]", at, i)
		switch {
		case name != "zstd" && name != "br" && name != "gzip":
			p.add(field, "want \"zstd\", \"br\" or \"gzip\", got %q", name)
		case seen[name]:
			p.add(field, "%q is named twice", name)
		}
		seen[name] = true
	}
	if len(c.Types) > maxCompressTypes {
		p.add(at+".types", "want at most %d, got %d", maxCompressTypes, len(c.Types))
	}
	for i, name := range c.Types {
		kind, sub, _ := strings.Cut(name, "/")
		if !isToken(kind) || kind == "*" || sub != "*" && (!isToken(sub) || strings.Contains(sub, "*")) || len(name) > 200 {
			p.add(fmt.Sprintf("%s.types[%d]", at, i), "%q is not a media type such as application/json or text/*", name)
		}
	}
	p.between(at+".min_bytes", c.MinBytes, 0, 1<<20)
	if c.Level != "" && c.Level != "balanced" && c.Level != "fast" && c.Level != "best" {
		p.add(at+".level", "want \"balanced\", \"fast\" or \"best\", got %q", c.Level)
	}
}
