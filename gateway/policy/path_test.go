package policy_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/gateway/policy"
)

func TestPathsHaveOneForm(t *testing.T) {
	for raw, want := range map[string]policy.Path{
		"/":            {Decoded: "/", Wire: "/"},
		"/a/b":         {Decoded: "/a/b", Wire: "/a/b"},
		"/%61%2d%7E":   {Decoded: "/a-~", Wire: "/a-~"},
		"/a%20b":       {Decoded: "/a b", Wire: "/a%20b"},
		"/a%3ab":       {Decoded: "/a:b", Wire: "/a%3Ab"},
		"/a+b%2bc":     {Decoded: "/a+b+c", Wire: "/a+b%2Bc"},
		"/caf\xc3\xa9": {Decoded: "/café", Wire: "/caf%C3%A9"},
		"/100%25":      {Decoded: "/100%", Wire: "/100%25"},
		"/a%2520b":     {Decoded: "/a%20b", Wire: "/a%2520b"},
		"/...":         {Decoded: "/...", Wire: "/..."},
		"/.a/a./..b":   {Decoded: "/.a/a./..b", Wire: "/.a/a./..b"},
		"//a//":        {Decoded: "//a//", Wire: "//a//"},
		"/{\"<|>^`}":   {Decoded: "/{\"<|>^`}", Wire: "/%7B%22%3C%7C%3E%5E%60%7D"},
		"/a;b=c":       {Decoded: "/a;b=c", Wire: "/a;b=c"},
	} {
		got, _, err := policy.Canonical(raw, nil)
		if err != nil || got != want {
			t.Errorf("%q: got %+v %v, want %+v", raw, got, err, want)
		}
	}
}

func TestTwoFacedPathsAreRefused(t *testing.T) {
	for _, raw := range []string{
		"", "a", "*", "/a b", "/a\tb", "/a\x7f", "/a#b", "/a?b", "/%", "/%4", "/%zz", "/%%34%31",
		"/a%2fb", "/a%2Fb", "/a\\b", "/a%5cb", "/a%00",
		"/.", "/..", "/./a", "/a/..", "/a/../b", "/%2e", "/%2e%2E/a", "/.%2e/a", "/..;/a", "/.;x", "/%2e%2e;a/b", "/..%3b/a",
		"/%252f", "/%255c", "/%2500", "/%252e%252e/a", "/%252e./a", "/%25252e%25252e/a", "/%2525252f", "/%25%32%66", "/%25%32%35%32%66", "/%2%35%32f",
	} {
		if got, _, err := policy.Canonical(raw, nil); err == nil {
			t.Errorf("%q: got %+v, want it refused", raw, got)
		} else if !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%q: %q is no sentence", raw, err)
		}
	}
}

// checkPath holds a canonical path to its promises.
func checkPath(t interface{ Fatalf(string, ...any) }, raw string) {
	scratch := []byte("kept")
	got, grown, err := policy.Canonical(raw, scratch)
	if !strings.HasPrefix(string(grown), "kept") {
		t.Fatalf("%q: scratch was overwritten", raw)
	}
	if err != nil {
		return
	}
	decoded, err := url.PathUnescape(got.Wire)
	if err != nil || decoded != got.Decoded {
		t.Fatalf("%q: %q decodes to %q, matched was %q", raw, got.Wire, decoded, got.Decoded)
	}
	if plain, err := url.PathUnescape(raw); err != nil || plain != got.Decoded {
		t.Fatalf("%q: decodes to %q, matched was %q", raw, plain, got.Decoded)
	}
	again, _, err := policy.Canonical(got.Wire, nil)
	if err != nil || again != got {
		t.Fatalf("%q: the form of its form is %+v, not %+v: %v", raw, again, got, err)
	}
	if strings.Count(got.Wire, "/") != strings.Count(got.Decoded, "/") {
		t.Fatalf("%q: %+v have other segments", raw, got)
	}
	// However often somebody decodes it, no segment moves.
	for text := got.Decoded; ; {
		for segment := range strings.SplitSeq(text, "/") {
			if segment, _, _ = strings.Cut(segment, ";"); segment == "." || segment == ".." {
				t.Fatalf("%q: %q has a dot segment", raw, text)
			}
		}
		if strings.Count(text, "/") != strings.Count(got.Wire, "/") || strings.ContainsAny(text, "\\\x00") {
			t.Fatalf("%q: %q is another path", raw, text)
		}
		next, err := url.PathUnescape(text)
		if err != nil || next == text {
			return
		}
		text = next
	}
}

func TestNoDecodingChangesTheRoute(t *testing.T) {
	part := rapid.SampledFrom([]string{"/", "a", ".", "..", "%2e", "%2E", "%25", "2e", "2f", "%2f", "%5c", "%", "25", ";", "%3b", "%61", "\xff", "%FF", "+", "\\", "%00"})
	rapid.Check(t, func(t *rapid.T) {
		checkPath(t, "/"+strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, "parts"), ""))
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/a%2e/b", "/%25%32%65", "/a;b/..;c", "/\xff%fe", "/a/%2e%2E%3b/b", "/%252e%252e", "/a%2Fb", "/a%255cb", "//a//", "/%zz", "/a b", "/.%2e", "/...", "/%00", "/%2500", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) { checkPath(t, raw) })
}

func BenchmarkCanonical(b *testing.B) {
	scratch := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := policy.Canonical("/demo/orders/v1/orders/4711/caf%C3%A9", scratch); err != nil {
			b.Fatal(err)
		}
	}
}
