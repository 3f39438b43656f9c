// Package contract holds calls and answers to what an API's document says of an
// operation, and finds the examples to answer with in an upstream's place.
//
// It knows no Exchange: policy hands it what it has to look at. Bodies come to it
// whole. What it finds wrong is a list, which others turn into a refusal or a
// count.
package contract

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portico/internal/entry"
	"portico/internal/entry/schema"
)

// MaxErrors is how many errors one call is told of.
const MaxErrors = 20

// Wrong is one thing that is not as the document says.
type Wrong struct {
	In        string `json:"in"`                  // "path", "query", "header", "cookie", "body" or "status"
	Parameter string `json:"parameter,omitempty"` // its name, where it is none of the body
	Pointer   string `json:"pointer,omitempty"`   // JSON pointer into the value
	Reason    string `json:"reason"`
}

// String reads as one line.
func (w Wrong) String() string {
	at := w.In
	if w.Parameter != "" {
		at += " " + w.Parameter
	}
	if w.Pointer != "" {
		at += " " + w.Pointer
	}
	return at + ": " + w.Reason
}

// Contract is one operation's, compiled. It never changes.
type Contract struct {
	parameters   []parameter
	body         []content
	bodyRequired bool
	answers      []answer
}

type parameter struct {
	entry.ContractParameter
	schema *schema.Schema // nil: anything
	shape
}

type content struct {
	mediaType string // lower case, without parameters
	schema    *schema.Schema
	shape
	fields   []parameter
	examples []entry.ContractExample
}

type answer struct {
	status  string
	headers []parameter
	content []content
}

// New compiles a contract that passed entry/check. set is its API's.
func New(c *entry.Contract, set *schema.Set) (*Contract, error) {
	out := &Contract{bodyRequired: c.BodyRequired}
	var err error
	if out.parameters, err = parameters(c.Parameters, set); err != nil {
		return nil, err
	}
	if out.body, err = contents(c.Body, set); err != nil {
		return nil, err
	}
	for _, a := range c.Answers {
		one := answer{status: strings.Clone(a.Status)}
		if one.headers, err = parameters(a.Headers, set); err != nil {
			return nil, err
		}
		if one.content, err = contents(a.Content, set); err != nil {
			return nil, err
		}
		out.answers = append(out.answers, one)
	}
	return out, nil
}

func parameters(list []entry.ContractParameter, set *schema.Set) ([]parameter, error) {
	var out []parameter
	for _, p := range list {
		if p.In == "header" && slices.ContainsFunc([]string{"Accept", "Content-Type", "Authorization"}, func(name string) bool { return strings.EqualFold(name, p.Name) }) {
			continue // OpenAPI says that these are described elsewhere
		}
		one := parameter{ContractParameter: p}
		if len(p.Schema) > 0 {
			s, err := set.Compile(p.Schema)
			if err != nil {
				return nil, err
			}
			one.schema, one.shape = s, shapeOf(s)
		}
		one.Schema = nil // it is not wanted any more
		out = append(out, one)
	}
	return out, nil
}

func contents(list []entry.ContractContent, set *schema.Set) ([]content, error) {
	var out []content
	for _, c := range list {
		one := content{mediaType: baseType(c.Type), examples: c.Examples}
		if len(c.Schema) > 0 {
			s, err := set.Compile(c.Schema)
			if err != nil {
				return nil, err
			}
			one.schema, one.shape = s, shapeOf(s)
		}
		for _, f := range c.Fields {
			one.fields = append(one.fields, parameter{ContractParameter: f})
		}
		out = append(out, one)
	}
	return out, nil
}

// baseType is a media type in lower case, without its parameters.
func baseType(s string) string {
	base, _, _ := strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(base))
}

// pick finds the content that describes a media type: itself, then a range of it.
func pick(list []content, mediaType string) *content {
	mediaType = baseType(mediaType)
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, want := range []string{mediaType, kind + "/*", "*/*", "*"} {
		for i := range list {
			if list[i].mediaType == want {
				return &list[i]
			}
		}
	}
	return nil
}

// describes finds the answer of a status: itself, its class, the default.
func (c *Contract) describes(status int) *answer {
	text := strconv.Itoa(status)
	for _, want := range []string{text, text[:1] + "XX", "default"} {
		for i := range c.answers {
			if c.answers[i].status == want {
				return &c.answers[i]
			}
		}
	}
	return nil
}

// isJSON reports whether a media type, in lower case, is JSON.
func isJSON(mediaType string) bool {
	return mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

// found collects what is wrong, up to MaxErrors.
type found []Wrong

func (f *found) add(in, name, pointer, reason string) {
	if len(*f) < MaxErrors {
		*f = append(*f, Wrong{in, strings.Clone(name), pointer, reason})
	}
}

func (f *found) check(in, name string, s *schema.Schema, v schema.Value, o schema.Options) {
	if s == nil || len(*f) >= MaxErrors {
		return
	}
	o.Errors = MaxErrors - len(*f)
	for _, e := range s.Check(v, o) {
		f.add(in, name, clip(e.Pointer), e.Reason)
	}
}

// mostPointer bounds a pointer, in bytes: its names are the caller's.
const mostPointer = 512

// clip shortens a pointer that would flood what the caller is told.
func clip(pointer string) string {
	if len(pointer) <= mostPointer {
		return pointer
	}
	end := mostPointer
	for !utf8.RuneStart(pointer[end]) {
		end--
	}
	return pointer[:end] + "…"
}
