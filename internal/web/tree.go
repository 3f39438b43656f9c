package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portico/internal/apim"
)

// maxDepth bounds nesting: no body of ours is deeper than a few levels.
// maxComplaints bounds an answer: a megabyte of unknown fields is told briefly.
const (
	maxDepth      = 32
	maxComplaints = 50
)

// complaints gathers what is wrong, up to maxComplaints.
type complaints struct {
	apim.Check
	n int
}

func (c *complaints) full() bool { return c.n >= maxComplaints }

func (c *complaints) fail(path, code, format string, args ...any) {
	if path == "" {
		path = "body"
	}
	if !c.full() {
		c.n++
		c.Fail(path, code, format, args...)
	}
}

// object is a JSON object as it was written, in order and with repetitions.
type object []member

type member struct {
	name  string
	value any // object, []any, string, json.Number, bool, nil
}

// parseTree reads one JSON value and nothing after it.
func parseTree(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, malformed("the body is not JSON: it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	root, err := parseValue(dec, 0)
	if err != nil {
		var refused *apim.Error
		switch {
		case errors.As(err, &refused):
			return nil, err
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, malformed("the body is not JSON: it ends too early")
		}
		line, column := position(body, dec.InputOffset())
		return nil, malformed("the body is not JSON: line %d, column %d: %s", line, column, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("the body goes on after its JSON value")
	}
	return root, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, malformed("the body is nested more than %d levels deep", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name.(string), value})
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func position(body []byte, offset int64) (line, column int) {
	before := body[:min(offset, int64(len(body)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// checkTree notes everything in value that does not fit t. Only the types that
// requests are made of are known: structs, maps by text, slices, pointers,
// text, whole numbers, booleans and times.
func checkTree(check *complaints, value any, t reflect.Type, path string) {
	if check.full() {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case value == nil:
		check.fail(path, "null", "is null; leave it out instead")
	case t == reflect.TypeFor[time.Time]():
		text, ok := value.(string)
		if _, err := time.Parse(time.RFC3339, text); !ok || err != nil {
			check.fail(path, "time", "is not a time like 2026-03-31T12:00:00Z")
		}
	case t == reflect.TypeFor[json.RawMessage]():
		checkFree(check, value, path)
	case t.Kind() == reflect.Struct:
		checkObject(check, value, t, path)
	case t.Kind() == reflect.Map:
		o, ok := value.(object)
		if !ok {
			wrongType(check, path, value, "an object")
			return
		}
		for _, m := range o {
			checkTree(check, m.value, t.Elem(), join(path, m.name))
		}
		checkRepeated(check, o, path)
	case t.Kind() == reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			wrongType(check, path, value, "a list")
			return
		}
		for i, item := range list {
			checkTree(check, item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		checkScalar(check, value, t, path)
	}
}

func checkObject(check *complaints, value any, t reflect.Type, path string) {
	o, ok := value.(object)
	if !ok {
		wrongType(check, path, value, "an object")
		return
	}
	fields := fieldsOf(t)
	for _, m := range o {
		ft, known := fields[m.name]
		if !known {
			check.fail(join(path, m.name), "unknown_field", "is not a field here; there are %s", strings.Join(sorted(fields), ", "))
			continue
		}
		checkTree(check, m.value, ft, join(path, m.name))
	}
	checkRepeated(check, o, path)
}

// checkFree checks what others read: any value, with nothing in it that readers
// or the database would take in different ways.
func checkFree(check *complaints, value any, path string) {
	if check.full() {
		return
	}
	switch v := value.(type) {
	case object:
		for _, m := range v {
			checkFree(check, m.value, join(path, m.name))
		}
		checkRepeated(check, v, path)
	case []any:
		for i, item := range v {
			checkFree(check, item, fmt.Sprintf("%s[%d]", path, i))
		}
	case string:
		checkScalar(check, v, reflect.TypeFor[string](), path)
	}
}

func checkRepeated(check *complaints, o object, path string) {
	seen := make(map[string]bool, len(o))
	for _, m := range o {
		if seen[m.name] {
			check.fail(join(path, m.name), "repeated", "is given more than once")
		}
		seen[m.name] = true
	}
}

func checkScalar(check *complaints, value any, t reflect.Type, path string) {
	switch t.Kind() {
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			wrongType(check, path, value, "text")
		} else if strings.ContainsRune(text, 0) {
			check.fail(path, "text", "holds a NUL character")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			wrongType(check, path, value, "true or false")
		}
	case reflect.Int, reflect.Int64:
		n, ok := value.(json.Number)
		if !ok {
			wrongType(check, path, value, "a whole number")
			return
		}
		if _, err := strconv.ParseInt(n.String(), 10, t.Bits()); err != nil {
			check.fail(path, "type", "is %s, and needs to be a whole number below 2^%d", n, t.Bits()-1)
		}
	default:
		panic("web: a request struct has a field of type " + t.String())
	}
}

func wrongType(check *complaints, path string, value any, want string) {
	check.fail(path, "type", "is %s, and needs to be %s", kindOf(value), want)
}

func kindOf(value any) string {
	switch value.(type) {
	case object:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "text"
	case json.Number:
		return "a number"
	}
	return "true or false"
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			maps.Copy(fields, fieldsOf(f.Type))
		} else if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

func typeOf(dst any) reflect.Type { return reflect.TypeOf(dst).Elem() }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
