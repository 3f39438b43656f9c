// Package value understands texts with places that are filled in for each call,
// such as "app ${caller.application}": what headers, query parameters and their
// like are set to. The check that runs before a publish and the gateway share it,
// so that they cannot disagree.
//
// A place holds a name of a closed list and nothing else: no expressions, no
// calls, no nesting. "$${" stands for "${" as text. What is not there for a call
// is filled in as nothing.
package value

import (
	"fmt"
	"strings"
)

// What a text may hold.
const (
	MaxBytes  = 2048 // of the text
	MaxPlaces = 16
)

// Value is a text, read. The zero value is the empty text.
type Value struct{ Parts []Part }

// Part is a piece of a text: a literal, or a place that is filled in.
type Part struct {
	Of   Of
	Text string // of a literal; the name of a parameter or header
}

// Of says what a part is filled with.
type Of uint8

// What parts are filled with.
const (
	Literal       Of = iota
	RequestID        // ${request.id}
	Method           // ${request.method}
	Host             // ${request.host}
	Path             // ${request.path}
	Client           // ${client.address}
	Application      // ${caller.application}
	ApplicationID    // ${caller.application_id}
	Plan             // ${caller.plan}
	API              // ${api.name}
	Operation        // ${api.operation}
	Param            // ${param.NAME}
	Header           // ${header.NAME}
	Query            // ${query.NAME}
)

func plain(name string) (Of, bool) {
	switch name {
	case "request.id":
		return RequestID, true
	case "request.method":
		return Method, true
	case "request.host":
		return Host, true
	case "request.path":
		return Path, true
	case "client.address":
		return Client, true
	case "caller.application":
		return Application, true
	case "caller.application_id":
		return ApplicationID, true
	case "caller.plan":
		return Plan, true
	case "api.name":
		return API, true
	case "api.operation":
		return Operation, true
	}
	return Literal, false
}

// Parse reads a text. The error says what is wrong with it.
func Parse(source string) (Value, error) {
	if len(source) > MaxBytes {
		return Value{}, fmt.Errorf("is longer than %d bytes", MaxBytes)
	}
	if strings.ContainsFunc(source, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return Value{}, fmt.Errorf("holds a control character")
	}
	var v Value
	text, places := "", 0
	for rest := source; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			v.literal(text + rest)
			return v, nil
		}
		if i > 0 && rest[i-1] == '$' {
			text += rest[:i-1] + "${"
			rest = rest[i+2:]
			continue
		}
		v.literal(text + rest[:i])
		name, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			return Value{}, fmt.Errorf("${%s is not closed; write $${ for the text itself", name)
		}
		part, err := place(name)
		if err != nil {
			return Value{}, err
		}
		if places++; places > MaxPlaces {
			return Value{}, fmt.Errorf("has more than %d places to fill in", MaxPlaces)
		}
		v.Parts = append(v.Parts, part)
		text, rest = "", after
	}
}

func (v *Value) literal(text string) {
	if text != "" {
		v.Parts = append(v.Parts, Part{Literal, text})
	}
}

func place(name string) (Part, error) {
	if of, ok := plain(name); ok {
		return Part{Of: of}, nil
	}
	kind, what, _ := strings.Cut(name, ".")
	if what != "" {
		switch kind {
		case "param":
			return Part{Param, what}, nil
		case "header":
			return Part{Header, what}, nil
		case "query":
			return Part{Query, what}, nil
		}
	}
	return Part{}, fmt.Errorf("${%s} is not known; want request.id, request.method, request.host, request.path, client.address, caller.application, caller.application_id, "+
		"caller.plan, api.name, api.operation, param.NAME, header.NAME or query.NAME", name)
}
