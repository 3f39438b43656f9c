package check

import (
	"fmt"
	"slices"
	"strings"

	"portico/internal/entry"
)

// maxPatterns is the most regular expressions that a list may hold.
const maxPatterns = 50

func (p *problems) botsPolicy(at string, b entry.BotsPolicy) {
	if b.Mode != "" && b.Mode != "refuse" && b.Mode != "observe" {
		p.add(at+".mode", "want \"refuse\" or \"observe\", got %q", b.Mode)
	}
	if len(b.Classes)+len(b.Deny) == 0 {
		p.add(at, "finds no bots; name classes, or regular expressions in deny")
	}
	for i, class := range b.Classes {
		field := fmt.Sprintf("%s.classes[%d]", at, i)
		if !slices.Contains(entry.BotClasses(), class) {
			p.add(field, "want one of %s, got %q", strings.Join(entry.BotClasses(), ", "), class)
		} else if slices.Contains(b.Classes[:i], class) {
			p.add(field, "%s stands there twice", class)
		}
	}
	p.patterns(at+".deny", b.Deny)
	p.patterns(at+".allow", b.Allow)
}

func (p *problems) patterns(at string, list []string) {
	p.count(at, len(list), 0, maxPatterns)
	for i, s := range list {
		if _, err := Pattern(s); err != nil {
			p.addErr(fmt.Sprintf("%s[%d]", at, i), err)
		}
	}
}
