package apim

import (
	"slices"
	"strings"
)

// Scope is a permission that a token has, as "verb object": "publish api". "*"
// stands for any verb or any object.
type Scope string

// Scopes are all that a token has. None is no limit, as people have.
type Scopes []Scope

// ScopePresets are the scopes that most tokens need, by name.
func ScopePresets() map[string]Scopes {
	return map[string]Scopes{
		"read-only": {"read *"},
		"publish":   {"read *", "write api", "publish api", "write product"},
		"full":      {"* *"},
	}
}

// Preset returns the name of a preset that has just these scopes, "" for none.
func (s Scopes) Preset() string {
	for name, preset := range ScopePresets() {
		if slices.Equal(s, preset) {
			return name
		}
	}
	return ""
}

// Allow reports whether the scopes hold a permission, "*" among verbs and
// objects being all of them. Whoever may change things of a kind may read them,
// or the answer could not be told.
func (s Scopes) Allow(verb Verb, object Object) bool {
	if len(s) == 0 {
		return true
	}
	return slices.ContainsFunc(s, func(one Scope) bool {
		v, o, _ := strings.Cut(string(one), " ")
		return (o == "*" || o == string(object)) && (v == "*" || v == string(verb) || verb == Read)
	})
}

// CheckScope says why a scope is none, nil when it is one.
func CheckScope(s Scope) error {
	v, o, _ := strings.Cut(string(s), " ")
	if v != "*" && !slices.Contains(Verbs(), Verb(v)) || o != "*" && !slices.Contains(Objects(), Object(o)) {
		return Errorf(Invalid, "%q is no scope; it is a verb (read, write, publish, approve, manage or *) and a kind of object (such as api, product, subscription, or *), as in \"publish api\"", string(s))
	}
	return nil
}
