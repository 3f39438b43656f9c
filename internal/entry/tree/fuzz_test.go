package tree_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"portico/internal/entry/tree"
)

// FuzzTrees: what is read and what is kept is what encoding/json reads; it is
// written as the same; and it compares and merges as the plainest code does
// that the RFCs allow.
func FuzzTrees(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"],"b":{"c":1}}`, `{"a":null,"b":{"c":1.0,"d":null}}`, ` [1e2, 100, -0] `, `"\ud800"`, "\"\x7f\xff\"", "{\"\xff\xfe\":1,\"\xff\":2}", `{"a":1,"a":2}`, `[1,]`, `01`, `{"a":1}x`, `1E+2`} {
		f.Add(s, `{"b":{"c":10e-1},"a":null}`)
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		v, err := tree.Decode([]byte(one))
		kept, keptErr := tree.Keep([]byte(one))
		if (err == nil) != (keptErr == nil) || err == nil && !json.Valid([]byte(one)) || err != nil && json.Valid([]byte(one)) && tree.Measure([]byte(one)) == nil {
			t.Fatalf("%q: read %v, kept %v", one, err, keptErr)
		}
		if err != nil {
			return
		}
		if got := decode(t, encode(t, v)); !reflect.DeepEqual(got, v) {
			t.Fatalf("%q: written and read again %v", one, got)
		}
		if got := decode(t, encode(t, kept)); !reflect.DeepEqual(got, v) {
			t.Fatalf("%q: kept as %s", one, kept)
		}
		other, err := tree.Decode([]byte(two))
		if err != nil || strings.ContainsAny(one+two, "eE") && len(one)+len(two) > 100 { // exponents cost the reference much
			return
		}
		if got, want := tree.Equal(v, other), same(v, other); got != want {
			t.Fatalf("%q, %q: equal %v, want %v", one, two, got, want)
		}
		want := mergePatch(decode(t, one), decode(t, two))
		got, err := tree.Merge(v, other)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q with %q is %v, %v, want %v", one, two, got, err, want)
		}
	})
}

// same compares as tree.Equal does, numbers as fractions; of those that would
// take too much memory it says what Equal says.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		if large(a) || large(b) {
			return tree.Equal(a, b)
		}
		x, _ := new(big.Rat).SetString(string(a))
		y, _ := new(big.Rat).SetString(string(b))
		return x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, ok := b[name]; !ok || !same(a[name], other) {
				return false
			}
		}
		return true
	}
	return a == b
}

func large(n json.Number) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	return len(strings.TrimLeft(exponent, "+-0")) > 3
}

// mergePatch is the pseudocode of RFC 7396 section 2.
func mergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	into, ok := target.(map[string]any)
	if !ok {
		into = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = mergePatch(into[name], value)
		}
	}
	return into
}

// FuzzPointer: a pointer that is read is written as it was.
func FuzzPointer(f *testing.F) {
	for _, s := range []string{"", "/a~1b/~0/0", "/~01", "a", "/~2", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := tree.ParsePointer(s); err == nil && p.String() != s {
			t.Fatalf("%q is written as %q", s, p)
		}
	})
}
