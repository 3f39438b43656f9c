package template_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/internal/entry/template"
)

func TestTemplatesAreRead(t *testing.T) {
	for _, c := range []struct {
		source, shape string
		names         string
	}{
		{"/", "/", ""},
		{"/a/b", "/a/b", ""},
		{"/a/", "/a/", ""},
		{"/{id}", "/{}", "id"},
		{"/{id}.json", "/{}.json", "id"},
		{"/compare/{a}...{b}", "/compare/{}...{}", "a b"},
		{"/x/{rest...}", "/x/{*}", "rest"},
		{"/range(from='{a}',to='{b}')", "/range(from='{}',to='{}')", "a b"},
		{"/a%20b", "/a b", ""},
		{"/{user-name}:{verb}", "/{}:{}", "user-name verb"},
	} {
		p, err := template.Parse(c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if got := p.Shape(); got != c.shape {
			t.Errorf("%s: got shape %s, want %s", c.source, got, c.shape)
		}
		if got := strings.Join(p.Names, " "); got != c.names {
			t.Errorf("%s: got names %q, want %q", c.source, got, c.names)
		}
	}
}

func TestBadTemplatesAreRefused(t *testing.T) {
	for source, want := range map[string]string{
		"":                         "does not begin with a slash",
		"a":                        "does not begin with a slash",
		"/{":                       "not closed",
		"/}":                       "not opened",
		"/{a{b}}":                  "opened inside",
		"/{}":                      "no usable name",
		"/{a/b}":                   "no usable name",
		"/{a}/{a}":                 "twice",
		"/{a...}/b":                "whole last segment",
		"/x{a...}":                 "whole last segment",
		"/{...}":                   "no name",
		"/a?b=c":                   "predicate",
		"/a#b":                     "predicate",
		"/../a":                    "dot segments",
		"/%2e/a":                   "dot segments",
		"/a%2Fb":                   "no path may hold",
		"/a%zz":                    "hexadecimal",
		"/a\\b":                    "not allowed",
		"/a\x00b":                  "not allowed",
		strings.Repeat("/a", 2000): "longer than",
	} {
		if _, err := template.Parse(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want an error with %q", source, err, want)
		}
	}
}

func TestOrderOfTemplates(t *testing.T) {
	// Each comes before all that follow it.
	order := []string{"/a/b/c", "/a/b/{x}", "/a/{x}/c", "/{x}/b/c", "/a/b{x}/{y}", "/a/{x}/{y}", "/a/{rest...}", "/{x}.json", "/x{x}", "/{x}", "/{rest...}"}
	for i := range order {
		for j := range order {
			p, q := parse(t, order[i]), parse(t, order[j])
			if got := p.Compare(q); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: got %d", order[i], order[j], got)
			}
		}
	}
}

func parse(t interface{ Fatal(...any) }, source string) template.Path {
	p, err := template.Parse(source)
	if err != nil {
		t.Fatal(source, err)
	}
	return p
}

// pattern is the meaning of a template, by the regular expression it stands for.
func pattern(p template.Path) *regexp.Regexp {
	text := "^"
	for _, s := range p.Segments {
		text += "/"
		switch s.Kind {
		case template.Rest:
			text += ".*"
		case template.Whole:
			text += "[^/]+"
		default:
			for i, l := range s.Literals {
				if i > 0 {
					text += "[^/]+"
				}
				text += regexp.QuoteMeta(l)
			}
		}
	}
	return regexp.MustCompile(text + "$")
}

func drawTemplate(t *rapid.T, label string) string {
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "", "{x}", "{x}a", "a{x}", "{x}.{y}", "a{x}b{y}", "{x}{y}", "b{x}"})
	segments := rapid.SliceOfN(segment, 1, 3).Draw(t, label)
	out := ""
	for i, s := range segments {
		out += "/" + strings.NewReplacer("{x}", "{x"+string(rune('0'+i))+"}", "{y}", "{y"+string(rune('0'+i))+"}").Replace(s)
	}
	if rapid.IntRange(0, 5).Draw(t, label+" rest") == 0 {
		out += "/{rest...}"
	}
	return out
}

// TestOverlapIsExact compares Overlaps with every short path: templates overlap
// when one path matches both, and templates of one order and different shape
// that overlap have one rank.
func TestOverlapIsExact(t *testing.T) {
	var paths []string
	var grow func(prefix string, left int)
	grow = func(prefix string, left int) {
		paths = append(paths, prefix)
		if left == 0 {
			return
		}
		for _, c := range []string{"a", "b", ".", "/"} {
			grow(prefix+c, left-1)
		}
	}
	grow("/", 7)
	rapid.Check(t, func(t *rapid.T) {
		p, q := parse(t, drawTemplate(t, "p")), parse(t, drawTemplate(t, "q"))
		x, y := pattern(p), pattern(q)
		shared := ""
		for _, path := range paths {
			if x.MatchString(path) && y.MatchString(path) {
				shared = path
				break
			}
		}
		if shared != "" && !p.Overlaps(q) {
			t.Fatalf("%s and %s both match %s", p.Source, q.Source, shared)
		}
		if short := len(p.Source) < 8 && len(q.Source) < 8; short && shared == "" && p.Overlaps(q) {
			t.Fatalf("%s and %s share no short path", p.Source, q.Source)
		}
		if p.Overlaps(q) != q.Overlaps(p) {
			t.Fatalf("%s and %s: overlap depends on who asks", p.Source, q.Source)
		}
		if p.Overlaps(q) && p.Compare(q) == 0 && p.Rank() != q.Rank() {
			t.Fatalf("%s and %s overlap without order and differ in rank", p.Source, q.Source)
		}
		if p.Compare(q) != -q.Compare(p) {
			t.Fatalf("%s and %s: order depends on who asks", p.Source, q.Source)
		}
	})
}

// TestOrderIsOneForAnyNumberOfTemplates: sorting takes it for granted that what
// comes before another comes before all that follow that one.
func TestOrderIsOneForAnyNumberOfTemplates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q, r := parse(t, drawTemplate(t, "p")), parse(t, drawTemplate(t, "q")), parse(t, drawTemplate(t, "r"))
		if p.Compare(q) <= 0 && q.Compare(r) <= 0 && p.Compare(r) > 0 {
			t.Fatalf("%s, %s, %s, and then the first again", p.Source, q.Source, r.Source)
		}
	})
	for _, c := range [][3]string{{"/a{x}b{y}/{z}", "/{x}a", "/{x}{y}/{z}a"}} { // found by a test of gateway/table
		p, q, r := parse(t, c[0]), parse(t, c[1]), parse(t, c[2])
		if a, b, c := p.Compare(q), q.Compare(r), r.Compare(p); a < 0 && b < 0 && c < 0 || a > 0 && b > 0 && c > 0 {
			t.Errorf("%s, %s, %s, and then the first again", p.Source, q.Source, r.Source)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"/a/{b}/c.{d}", "/{r...}", "/%41", "/{", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := template.Parse(source)
		if err != nil {
			return
		}
		if len(p.Segments) == 0 || p.Compare(p) != 0 || !p.Overlaps(p) {
			t.Errorf("%q: a template that does not agree with itself", source)
		}
	})
}
