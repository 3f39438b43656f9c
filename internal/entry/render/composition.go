package render

import (
	"fmt"
	"slices"

	"portico/internal/entry"
)

// Composition is a compiled entry.Composition.
type Composition struct {
	Calls  []Call
	Answer *Template
}

// Call is a compiled call of a composition.
type Call struct {
	Name    string
	Path    *Template
	Headers []Header
	Body    *Template // nil for none
	After   []int     // indexes of the calls it waits for

	// Seen says that expressions look at how the call went; SeenBody and
	// SeenHeaders, that they look into its answer's body and at its headers.
	Seen, SeenBody, SeenHeaders bool
}

// see notes what a template looks at.
func (c *Composition) see(t *Template) {
	for i := range c.Calls {
		at := "calls." + c.Calls[i].Name
		c.Calls[i].Seen = c.Calls[i].Seen || t.used[at]
		c.Calls[i].SeenBody = c.Calls[i].SeenBody || t.used[at+".body"]
		c.Calls[i].SeenHeaders = c.Calls[i].SeenHeaders || t.used[at+".headers"]
	}
}

// Header is one that is sent.
type Header struct {
	Name  string
	Value *Template
}

// NewComposition compiles a composition, or says everything that is wrong with
// its templates and the names in it.
func NewComposition(c entry.Composition) (*Composition, []Wrong) {
	out, names := &Composition{}, []string{}
	var wrong []Wrong
	add := func(field, format string, args ...any) {
		wrong = append(wrong, Wrong{field, fmt.Sprintf(format, args...)})
	}
	reach := map[string][]string{} // what each call may use
	for i, call := range c.Calls {
		at := fmt.Sprintf("calls[%d]", i)
		one := Call{Name: call.Name}
		if slices.Contains(names, call.Name) {
			add(at+".name", "%q stands there twice", call.Name)
		}
		var seen []string
		for j, before := range call.After {
			k := slices.Index(names, before)
			if k < 0 {
				add(fmt.Sprintf("%s.after[%d]", at, j), "there is no call %q above", before)
				continue
			}
			one.After = append(one.After, k)
			seen = append(append(seen, before), reach[before]...)
		}
		reach[call.Name] = seen
		use := func(field string, t *Template, err error) *Template {
			if err != nil {
				add(at+field, "%s", err)
				return nil
			}
			out.see(t)
			for _, name := range t.calls() {
				if !slices.Contains(seen, name) {
					add(at+field, "uses calls.%s, which it does not wait for: name it in after", name)
				}
			}
			return t
		}
		path, err := Path(call.Path, OfCalls)
		one.Path = use(".path", path, err)
		for name, value := range call.Headers {
			t, err := Text(value, OfCalls)
			one.Headers = append(one.Headers, Header{name, use(".headers."+name, t, err)})
		}
		slices.SortFunc(one.Headers, func(a, b Header) int { return compare(a.Name, b.Name) })
		if present(call.Body) {
			t, err := JSON(call.Body, OfCalls)
			one.Body = use(".body", t, err)
		}
		names = append(names, call.Name)
		out.Calls = append(out.Calls, one)
	}
	if !present(c.Answer) {
		add("answer", "is missing")
		return out, wrong
	}
	answer, err := JSON(c.Answer, OfCalls)
	if err != nil {
		add("answer", "%s", err)
		return out, wrong
	}
	for _, name := range answer.calls() {
		if !slices.Contains(names, name) {
			add("answer", "uses calls.%s, and there is no such call", name)
		}
	}
	out.Answer = answer
	out.see(answer)
	return out, wrong
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}
