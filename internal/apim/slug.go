package apim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	slugPattern  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
)

// ReservedSlugs returns the words that no tenant or API may be called,
// since they begin paths of Portico's own.
func ReservedSlugs() []string { return []string{"v1", "ai", "mcp", "docs", "api"} }

// CheckSlug says why s cannot be a slug, nil when it can.
func CheckSlug(s string) error {
	if !slugPattern.MatchString(s) {
		return fmt.Errorf("use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first or last")
	}
	if slices.Contains(ReservedSlugs(), s) {
		return fmt.Errorf("%q is reserved for Portico's own paths", s)
	}
	return nil
}

// CheckLabel says why s cannot be a version's label: a slug that may hold dots
// and be a reserved word ("v1", "v3.2", "2024-06").
func CheckLabel(s string) error {
	if !labelPattern.MatchString(s) || strings.Contains(s, "..") {
		return fmt.Errorf("use 1 to 63 lower-case letters, digits, dots and hyphens, a letter or digit first and last")
	}
	return nil
}

// Slugify proposes a slug for a title. It returns "" when nothing of the title
// can stand in one.
func Slugify(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 63 {
			break
		}
	}
	s := strings.Trim(b.String(), "-")
	if slices.Contains(ReservedSlugs(), s) {
		s += "-1"
	}
	return s
}
