package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/entry/describe"
	"portico/manager/compile"
)

// written returns policies as they are kept: the text of a configuration stays,
// but for white space between its tokens.
func written(list []apim.Policy) []apim.Policy {
	var out []apim.Policy
	for _, p := range list {
		if raw, err := json.Marshal(p.Config); err == nil { // one that is no JSON is refused by policyProblems
			p.Config = raw
		}
		out = append(out, p)
	}
	return out
}

// checkPolicies checks each policy alone, also those that are off. What only a
// version as a whole can get wrong is checkRuntime's.
func checkPolicies(c *apim.Check, field string, list []apim.Policy) {
	for _, p := range policyProblems(field, list) {
		c.Fail(p.Field, p.Code, "%s", p.Detail)
	}
}

func policyProblems(field string, list []apim.Policy) []apim.FieldError {
	var out []apim.FieldError
	if len(list) > check.MaxPolicies {
		out = append(out, apim.FieldError{Field: field, Code: "too_many", Detail: fmt.Sprintf("has %d policies, the most is %d", len(list), check.MaxPolicies)})
	}
	for i, p := range list {
		for _, wrong := range CheckPolicy(p) {
			wrong.Field = fmt.Sprintf("%s[%d].%s", field, i, wrong.Field)
			out = append(out, wrong)
		}
	}
	return out
}

// CheckPolicy returns everything that is wrong with a policy when looked at
// alone: at "kind", "config", or a field of it, "config.requests".
func CheckPolicy(p apim.Policy) []apim.FieldError {
	if unknown := unknownFields(p); len(unknown) > 0 {
		return unknown
	}
	parsed, err := parsePolicy(p)
	if err != nil {
		return []apim.FieldError{unread(p, err)}
	}
	out := writtenSecrets(parsed)
	for _, wrong := range check.Policy(parsed) {
		name := "config"
		if wrong.Field != "" {
			name += "." + wrong.Field
		}
		out = append(out, apim.FieldError{Field: name, Code: "policy", Detail: wrong.Reason})
	}
	return out
}

// parsePolicy reads a policy whose configuration is an object.
func parsePolicy(p apim.Policy) (entry.Policy, error) {
	if !strings.HasPrefix(strings.TrimLeft(string(p.Config), " \t\r\n"), "{") && entry.PolicyKind(p.Kind).Stage() != "" {
		return entry.Policy{}, errors.New("needs an object; {} is one without fields")
	}
	return compile.ParsePolicy(p)
}

// unknownFields names what a configuration holds that its kind does not. Names
// count as they are written: the decoder alone would take Requests for requests.
func unknownFields(p apim.Policy) []apim.FieldError {
	kind, known := describe.Of(entry.PolicyKind(p.Kind))
	var config any
	if !known || json.Unmarshal(p.Config, &config) != nil {
		return nil // unread says so
	}
	return unknownIn("config", config, kind.Fields)
}

func unknownIn(at string, value any, fields []describe.Field) []apim.FieldError {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	var out []apim.FieldError
	for _, name := range slices.Sorted(maps.Keys(object)) {
		i := slices.IndexFunc(fields, func(f describe.Field) bool { return f.Name == name })
		if i < 0 {
			out = append(out, apim.FieldError{Field: at + "." + name, Code: "unknown_field", Detail: "is not a field here; there are " + fieldNames(fields)})
			continue
		}
		switch f := fields[i]; f.Form {
		case describe.Group:
			out = append(out, unknownIn(at+"."+name, object[name], f.Fields)...)
		case describe.Groups:
			list, _ := object[name].([]any)
			for n, one := range list {
				out = append(out, unknownIn(fmt.Sprintf("%s.%s[%d]", at, name, n), one, f.Fields)...)
			}
		}
	}
	return out
}

func fieldNames(fields []describe.Field) string {
	if len(fields) == 0 {
		return "none"
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

// unread says where and why a policy could not be read.
func unread(p apim.Policy, err error) apim.FieldError {
	var mistyped *json.UnmarshalTypeError
	switch name := unknownField.FindStringSubmatch(err.Error()); {
	case entry.PolicyKind(p.Kind).Stage() == "":
		return apim.FieldError{Field: "kind", Code: "unknown", Detail: fmt.Sprintf("is %q, which is no kind of policy; there is %s", p.Kind, kindNames())}
	case name != nil:
		return apim.FieldError{Field: "config." + name[1], Code: "unknown_field", Detail: fmt.Sprintf("is no field of a policy of kind %s", p.Kind)}
	case errors.As(err, &mistyped) && mistyped.Field != "":
		return apim.FieldError{Field: "config." + mistyped.Field, Code: "type", Detail: "is " + mistyped.Value + " where " + typeName(mistyped.Type) + " belongs"}
	}
	return apim.FieldError{Field: "config", Code: "policy", Detail: err.Error()}
}

func kindNames() string {
	var names []string
	for _, k := range entry.PolicyKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// typeName says what a Go type is in JSON.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

// servedPolicies returns a list in which those that cannot be read are off, so
// that they are not compiled, and the others keep their places.
func servedPolicies(list []apim.Policy) []apim.Policy {
	out := append([]apim.Policy(nil), list...)
	for i, p := range out {
		if _, err := parsePolicy(p); err != nil {
			out[i].Off = true
		}
	}
	return out
}

// policyChanges says in words how a list of policies became another: what was
// added, changed, moved, removed, switched off or on.
func policyChanges(was, is []apim.Policy) []string {
	pairs := policyPairs(was, is)
	var out []string
	taken := map[int]bool{}
	for j, i := range pairs {
		if i < 0 {
			out = append(out, is[j].Kind+" added")
			continue
		}
		taken[i] = true
		if string(was[i].Config) != string(is[j].Config) {
			out = append(out, is[j].Kind+" changed")
		}
		switch {
		case is[j].Off && !was[i].Off:
			out = append(out, is[j].Kind+" switched off")
		case !is[j].Off && was[i].Off:
			out = append(out, is[j].Kind+" switched on")
		}
	}
	for _, j := range moved(pairs) {
		out = append(out, is[j].Kind+" moved")
	}
	for i, p := range was {
		if !taken[i] {
			out = append(out, p.Kind+" removed")
		}
	}
	return out
}

// policyPairs finds for each policy which one it was before, -1 for none: the
// same one, then one that was alike but for being off, then one of its kind.
func policyPairs(was, is []apim.Policy) []int {
	pairs, taken := make([]int, len(is)), map[int]bool{}
	for j := range pairs {
		pairs[j] = -1
	}
	for _, alike := range []func(a, b apim.Policy) bool{
		func(a, b apim.Policy) bool { return reflect.DeepEqual(a, b) },
		func(a, b apim.Policy) bool { return a.Kind == b.Kind && string(a.Config) == string(b.Config) },
		func(a, b apim.Policy) bool { return a.Kind == b.Kind },
	} {
		for j := range is {
			for i := range was {
				if pairs[j] < 0 && !taken[i] && alike(was[i], is[j]) {
					pairs[j], taken[i] = i, true
				}
			}
		}
	}
	return pairs
}

// moved returns as few places as can be that have to be taken out for the rest
// to stand in the order from before.
func moved(pairs []int) []int {
	longest, before := make([]int, len(pairs)), make([]int, len(pairs))
	last := -1
	for j, i := range pairs {
		before[j] = -1
		if i < 0 {
			continue
		}
		longest[j] = 1
		for k := range j {
			if pairs[k] >= 0 && pairs[k] < i && longest[k] >= longest[j] {
				longest[j], before[j] = longest[k]+1, k
			}
		}
		if last < 0 || longest[j] > longest[last] {
			last = j
		}
	}
	stays := map[int]bool{}
	for ; last >= 0; last = before[last] {
		stays[last] = true
	}
	var out []int
	for j, i := range pairs {
		if i >= 0 && !stays[j] {
			out = append(out, j)
		}
	}
	return out
}

// mostTold bounds how many changes of policies an audit row's sentence tells;
// its facts have all.
const mostTold = 10

// policySummary says how policies of a version changed, "" for not at all.
func policySummary(was, is apim.Runtime) string {
	told := policyChanges(was.Policies, is.Policies)
	old := map[string][]apim.Policy{}
	for _, r := range was.Routes {
		old[r.Operation] = r.Policies
	}
	for _, r := range is.Routes {
		for _, change := range policyChanges(old[r.Operation], r.Policies) {
			told = append(told, change+" at "+r.Operation)
		}
	}
	return toldPolicies(told)
}

func toldPolicies(told []string) string {
	more := ""
	if len(told) > mostTold {
		more = fmt.Sprintf(" and %d more", len(told)-mostTold)
		told = told[:mostTold]
	}
	if len(told) == 0 {
		return ""
	}
	return ": " + strings.Join(told, ", ") + more
}

// knownKinds refuses what a node that is live now could not serve, since it does not
// know the kind of a policy. One that cannot be reached is not waited for: it
// keeps what it has, and says so when it is back.
func (c *Core) knownKinds(environment string, lists ...[]apim.Policy) error {
	if c.Live == nil {
		return nil
	}
	asked := map[entry.PolicyKind]bool{}
	for _, list := range lists {
		for _, p := range list {
			if !p.Off {
				asked[entry.PolicyKind(p.Kind)] = true
			}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	var lacking []string
	for _, node := range c.Live.Reachable(environment) {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(asked)) {
			if !slices.Contains(node.Kinds, kind) {
				kinds = append(kinds, string(kind))
			}
		}
		if len(kinds) > 0 {
			lacking = append(lacking, fmt.Sprintf("%s (build %s) does not know %s", node.Name, node.Build, strings.Join(kinds, ", ")))
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return apim.Errorf(apim.Conflict, "gateway nodes of %s could not serve these policies: %s; bring the nodes up to date first, or switch the policies off",
		environment, strings.Join(lacking, "; ")).WithCode("node_lacks_kind")
}

// allPolicies are the lists of policies of a runtime that are served, limits and
// places of keys as the policies that they become.
func allPolicies(rt apim.Runtime) [][]apim.Policy {
	own := []apim.Policy{}
	for _, p := range compile.Limits(rt.Limits) {
		own = append(own, apim.Policy{Kind: string(p.Kind())})
	}
	if key := compile.Places(rt.Credentials); key != nil {
		own = append(own, apim.Policy{Kind: string(key.Kind())})
	}
	out := [][]apim.Policy{own, rt.Policies}
	for _, r := range rt.Routes {
		if !r.Off {
			out = append(out, r.Policies)
		}
	}
	return out
}
