// Package check says whether entries can be served. The manager asks it before
// a publish and every gateway node asks it again before it compiles, so that
// both give one answer.
//
// One entry is checked alone by Env, Cert, API, Terms and Grant, at a cost that does
// not depend on what else an environment holds. What only several entries
// together can get wrong is a taken mount and a reference to something unknown:
// an Index that is kept and updated answers the first, Environment both.
//
// It reports everything that is wrong, not the first thing, and changes
// nothing. It does not reach out: whether a target exists or may be dialled is
// for internal/egress.
package check

import (
	"fmt"
	"maps"
	"slices"

	"portico/internal/entry"
)

// Problem is one reason why an entry cannot be served. Field is a path into
// its body, such as routes[3].policies[0].requests, or "" for the entry itself.
type Problem struct {
	Key    entry.Key
	Field  string
	Reason string
}

// String reads as one line for logs and errors.
func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("%s: %s", p.Key, p.Reason)
	}
	return fmt.Sprintf("%s: %s: %s", p.Key, p.Field, p.Reason)
}

// problems collects what is wrong with one entry.
type problems struct {
	key  entry.Key
	list []Problem
}

// maxProblems is how many are told: who has more does not read them.
const maxProblems = 1000

func (p *problems) add(field, format string, args ...any) {
	if len(p.list) >= maxProblems {
		return
	}
	p.list = append(p.list, Problem{Key: p.key, Field: field, Reason: fmt.Sprintf(format, args...)})
}

func (p *problems) addErr(field string, err error) {
	if err != nil {
		p.add(field, "%s", err)
	}
}

// Item decodes an entry and checks it alone. A tombstone or a mark has nothing
// to check but its envelope.
func Item(it entry.Item) []Problem {
	if it.Ended {
		return Envelope(it)
	}
	var found []Problem
	switch it.Key.Kind() {
	case entry.KindKeys:
		_, found = Decode[entry.Keys](it)
	case entry.KindEnv:
		_, found = Decode[entry.Env](it)
	case entry.KindCert:
		_, found = Decode[entry.Cert](it)
	case entry.KindTerms:
		_, found = Decode[entry.Terms](it)
	case entry.KindAPI:
		_, found = Decode[entry.API](it)
	case entry.KindGrant:
		_, found = Decode[entry.Grant](it)
	default:
		found = Envelope(it)
	}
	return found
}

// Envelope checks what stands around a body.
func Envelope(it entry.Item) []Problem {
	p := problems{key: it.Key}
	switch key, err := entry.ParseKey(string(it.Key)); {
	case err != nil:
		p.add("", "%s", err)
	case it.Schema != entry.Schema:
		p.add("", "schema %d is not %d", it.Schema, entry.Schema)
	case it.Kind != key.Kind():
		p.add("", "holds kind %q", it.Kind)
	}
	return p.list
}

// Decode returns an entry's body, or everything that is wrong with the entry
// when looked at alone.
func Decode[B entry.Body](it entry.Item) (B, []Problem) {
	var none B
	if found := Envelope(it); len(found) > 0 {
		return none, found
	}
	body, err := entry.Decode[B](it)
	if err != nil {
		return none, []Problem{{Key: it.Key, Reason: err.Error()}}
	}
	var found []Problem
	switch b := any(body).(type) {
	case entry.Keys:
		found = Keys(b)
	case entry.Env:
		found = Env(b)
	case entry.Cert:
		found = Cert(b)
	case entry.Terms:
		found = Terms(b)
	case entry.API:
		found = API(b)
	case entry.Grant:
		found = Grant(it.Key, b)
	}
	for i := range found {
		found[i].Key = it.Key
	}
	if keyOf(it.Key, body) != it.Key {
		found = append(found, Problem{Key: it.Key, Reason: "its body belongs under another key"})
	}
	if len(found) > 0 {
		return none, found
	}
	return body, nil
}

// keyOf returns the key that a body names, or have where it names none.
func keyOf(have entry.Key, body any) entry.Key {
	var key entry.Key
	switch b := body.(type) {
	case entry.API:
		key, _ = entry.APIKey(b.Version)
	case entry.Cert:
		key, _ = entry.CertKey(b.ID)
	case entry.Terms:
		key, _ = entry.TermsKey(b.Plan)
	default:
		return have
	}
	return key
}

// Environment checks all entries of an environment together.
func Environment(items []entry.Item) []Problem {
	var found []Problem
	index := NewIndex()
	versions, plans := map[string]map[string]bool{}, map[string]bool{}
	var terms []entry.Terms
	grants := map[entry.Key]entry.Grant{}
	seen := map[entry.Key]bool{}
	for _, it := range items {
		if seen[it.Key] {
			found = append(found, Problem{Key: it.Key, Reason: "stands there twice"})
			continue
		}
		seen[it.Key] = true
		if wrong := Item(it); len(wrong) > 0 {
			found = append(found, wrong...)
			continue
		}
		if it.Ended {
			continue
		}
		switch it.Kind {
		case entry.KindAPI:
			a, _ := entry.Decode[entry.API](it)
			found = append(found, index.Conflicts(a)...)
			index.Put(a)
			versions[a.Version] = operations(a)
		case entry.KindTerms:
			t, _ := entry.Decode[entry.Terms](it)
			terms, plans[t.Plan] = append(terms, t), true
		case entry.KindGrant:
			grants[it.Key], _ = entry.Decode[entry.Grant](it)
		}
	}
	if !seen[entry.EnvKey] {
		found = append(found, Problem{Key: entry.EnvKey, Reason: "is missing"})
	}
	for _, t := range terms {
		found = append(found, termsReferences(t, versions)...)
	}
	for _, key := range slices.Sorted(maps.Keys(grants)) {
		for i, s := range grants[key].Subscriptions {
			if !plans[s.Terms] {
				found = append(found, Problem{
					key, fmt.Sprintf("subscriptions[%d].terms", i),
					fmt.Sprintf("plan %s is not known", s.Terms),
				})
			}
		}
	}
	return found
}

func operations(a entry.API) map[string]bool {
	names := make(map[string]bool, len(a.Routes))
	for _, r := range a.Routes {
		names[r.Operation] = true
	}
	return names
}

func termsReferences(t entry.Terms, versions map[string]map[string]bool) []Problem {
	p := problems{key: entry.Key("terms." + t.Plan)}
	for i, a := range t.APIs {
		known, ok := versions[a.Version]
		if !ok {
			p.add(fmt.Sprintf("apis[%d].version", i), "version %s is not known", a.Version)
			continue
		}
		for j, op := range a.Operations {
			if !known[op] {
				p.add(fmt.Sprintf("apis[%d].operations[%d]", i, j), "the version has no operation %q", op)
			}
		}
	}
	return p.list
}
