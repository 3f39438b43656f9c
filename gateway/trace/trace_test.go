package trace_test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"portico/gateway/trace"
)

// The vectors are those of the W3C recommendation and of its test suite.
func TestTraceparentIsReadAsTheRecommendationSays(t *testing.T) {
	const id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for header, want := range map[string]string{
		"00-" + id + "-" + parent + "-01":                      "sampled",
		"00-" + id + "-" + parent + "-00":                      "not sampled",
		"00-" + id + "-" + parent + "-03":                      "sampled",
		"00-" + id + "-" + parent + "-02":                      "not sampled",
		"00-" + id + "-" + parent + "-ff":                      "sampled",
		"cc-" + id + "-" + parent + "-01":                      "sampled",
		"cc-" + id + "-" + parent + "-01-what":                 "sampled",
		"cc-" + id + "-" + parent + "-01-":                     "sampled",
		"cc-" + id + "-" + parent + "-01.what":                 "",
		"cc-" + id + "-" + parent + "-01what":                  "",
		"00-" + id + "-" + parent + "-01-what":                 "",
		"00-" + id + "-" + parent + "-01-":                     "",
		"00-" + id + "-" + parent + "-01 ":                     "",
		"ff-" + id + "-" + parent + "-01":                      "",
		"0-" + id + "-" + parent + "-01":                       "",
		".0-" + id + "-" + parent + "-01":                      "",
		"00-" + strings.ToUpper(id) + "-" + parent + "-01":     "",
		"00-" + id + "-" + strings.ToUpper(parent) + "-01":     "",
		"00-" + id + "-" + parent + "-0A":                      "",
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01": "",
		"00-" + id + "-" + strings.Repeat("0", 16) + "-01":     "",
		"00-" + id[1:] + "-" + parent + "-01":                  "",
		"00-" + id + "0-" + parent + "-01":                     "",
		"00-." + id[1:] + "-" + parent + "-01":                 "",
		"00-" + id + "-." + parent[1:] + "-01":                 "",
		"00-" + id + "-" + parent + "-.0":                      "",
		"00-" + id + "-" + parent + "-1":                       "",
		"00-" + id + "-" + parent:                              "",
		"00_" + id + "_" + parent + "_01":                      "",
		"":                                                     "",
		strings.Repeat("0", 4000):                              "",
	} {
		c, ok := trace.Parse(header)
		got := ""
		if ok {
			got = "not sampled"
			if c.Sampled {
				got = "sampled"
			}
			if hex.EncodeToString(c.Trace[:]) != id || hex.EncodeToString(c.Parent[:]) != parent {
				t.Errorf("%q: read as %x %x", header, c.Trace, c.Parent)
			}
		} else if c.Valid() {
			t.Errorf("%q: refused, and read as %+v", header, c)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for range 1000 {
		c := trace.New()
		c.Enter()
		for _, c.Sampled = range []bool{true, false} {
			text := string(c.Append(nil))
			got, ok := trace.Parse(text)
			if !ok || got.Trace != c.Trace || got.Parent != c.Span || got.Sampled != c.Sampled || len(text) != trace.HeaderBytes {
				t.Fatalf("%s: read as %+v, %v", text, got, ok)
			}
		}
	}
}

func TestTracestateIsReadAsTheRecommendationSays(t *testing.T) {
	many := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf("bar%02d=%02d", i, i))
		}
		return strings.Join(parts, ",")
	}
	a := func(n int) string { return strings.Repeat("z", n) }
	for _, c := range []struct {
		headers []string
		ok      bool
	}{
		{[]string{"foo=1,bar=2"}, true},
		{[]string{"foo=1", "bar=2"}, true},
		{[]string{"foo=1 \t , \t bar=2"}, true},
		{[]string{"foo=1,", ""}, true},
		{[]string{"foo=1,,,bar=2"}, true},
		{[]string{""}, true},
		{[]string{"foo@bar=1,bar@foo=2"}, true},
		{[]string{"0123@foo=1"}, true},
		{[]string{"foo-_*/bar=bar4"}, true},
		{[]string{"foo=0x20 in between", "z= leading"}, true},
		{[]string{many(32)}, true},
		{[]string{a(256) + "=1"}, true},
		{[]string{a(241) + "@" + a(14) + "=1"}, true},
		{[]string{"foo=" + a(256)}, true},
		{[]string{"foo=1,foo=1"}, false},
		{[]string{"foo=1", "foo=2"}, false},
		{[]string{"foo =1"}, false},
		{[]string{"FOO=1"}, false},
		{[]string{"foo.bar=1"}, false},
		{[]string{"0foo=1"}, false},
		{[]string{"foo@=1"}, false},
		{[]string{"@foo=1"}, false},
		{[]string{"foo@@bar=1"}, false},
		{[]string{"foo@bar@baz=1"}, false},
		{[]string{"foo@0bar=1"}, false},
		{[]string{"foo"}, false},
		{[]string{"foo="}, false},
		{[]string{"=1"}, false},
		{[]string{"foo=bar=baz"}, false},
		{[]string{"foo=\x7f"}, false},
		{[]string{"foo=é"}, false},
		{[]string{many(33)}, false},
		{[]string{many(20), "x" + many(13)}, false},
		{[]string{a(257) + "=1"}, false},
		{[]string{a(242) + "@v=1"}, false},
		{[]string{"t@" + a(15) + "=1"}, false},
		{[]string{"foo=" + a(257)}, false},
	} {
		var s trace.State
		ok := true
		for _, h := range c.headers {
			ok = ok && s.Add(h)
		}
		if ok != c.ok {
			t.Errorf("%.80q: got %v, want %v", c.headers, ok, c.ok)
		}
	}
}

func TestReadingAndWritingAllocatesNothing(t *testing.T) {
	buffer := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		c, ok := trace.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		var s trace.State
		c.Enter()
		if !ok || !s.Add("foo=1,bar@baz=2") || len(c.Append(buffer)) != trace.HeaderBytes {
			t.Fatal("not read")
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

// The recommendation's own grammars.
var (
	parentForm = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)
	memberForm = regexp.MustCompile("^([a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13})=[ -+--<>-~]{0,255}[!-+--<>-~]$")
)

// FuzzParse holds both readers to the grammars that the recommendation gives.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-x", "00-00000000000000000000000000000000-00f067aa0ba902b7-00"} {
		f.Add(s, "foo=1,bar=2")
		f.Add(s, "a@b=1 2 , ,\tc=,d=e=f,foo=1,foo=2")
	}
	f.Fuzz(func(t *testing.T, parent, state string) {
		c, ok := trace.Parse(parent)
		m := parentForm.FindStringSubmatch(strings.ReplaceAll(parent, "\n", " "))
		want := m != nil && m[1] != "ff" && (m[1] != "00" || m[5] == "") && strings.Trim(m[2], "0") != "" && strings.Trim(m[3], "0") != ""
		if ok != want || ok != c.Valid() {
			t.Fatalf("%q: %v, %+v", parent, ok, c)
		}
		if ok {
			c.Span = c.Parent
			if got := string(c.Append(nil)); got[3:53] != parent[3:53] || c.Sampled != strings.ContainsAny(m[4][1:], "13579bdf") {
				t.Fatalf("%q is read as %q", parent, got)
			}
		}
		seen := map[string]bool{}
		want = len(state) <= 4096
		for member := range strings.SplitSeq(state, ",") {
			if member = strings.Trim(member, " \t"); member == "" {
				continue
			}
			m := memberForm.FindStringSubmatch(member)
			want = want && m != nil && !seen[m[1]] && len(seen) < 32
			if m != nil {
				seen[m[1]] = true
			}
		}
		var s trace.State
		if got := s.Add(state); got != want {
			t.Fatalf("%q: %v, want %v", state, got, want)
		}
	})
}
