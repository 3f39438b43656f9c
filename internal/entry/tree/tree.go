// Package tree holds JSON values as trees and changes them: by JSON Patch (RFC
// 6902), by JSON Merge Patch (RFC 7396), and by leaving only, or leaving out,
// what paths name. The check before a publish and the gateway share it, so that
// they cannot disagree about what a change means.
//
// A tree is made of nil, bool, string, json.Number, []any and map[string]any.
// Numbers keep the digits they came with. The members of objects do not keep
// their order: they are written in the order of their names.
//
// Whatever comes from outside is bounded here: how deep, how many values, and
// how large a tree may be when it is written.
package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const (
	// MaxDepth is how deep arrays and objects may stand in one another.
	MaxDepth = 100
	// MaxValues is how many values a tree may hold, the names of members included.
	MaxValues = 250_000
)

// ErrTooLarge is of a tree that is larger than what it is for.
var ErrTooLarge = errors.New("is larger than it may be")

// Decode reads one JSON value, and nothing behind it. Where a name stands twice
// in an object, the last one counts.
func Decode(data []byte) (any, error) {
	if err := Measure(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("is not JSON: something follows the value")
	}
	return v, nil
}

// Raw is a value that is kept as the text it came as: its members keep their
// order. Append writes it; nothing else here looks into it.
type Raw []byte

// Keep reads one JSON value as Decode does, and keeps its text, which must not
// change any more.
func Keep(data []byte) (Raw, error) {
	if err := Measure(data); err != nil {
		return nil, err
	}
	if !gjson.ValidBytes(data) {
		return nil, errors.New("is not JSON")
	}
	if !utf8.Valid(data) {
		data = bytes.Map(func(r rune) rune { return r }, data) // each bad byte is U+FFFD, as Decode has it
	}
	return Raw(bytes.Trim(data, " \t\r\n")), nil
}

// Measure counts depth and values, before memory is spent on them. What it
// passes need not be JSON.
func Measure(data []byte) error {
	depth, values, quoted := 0, 1, false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '[', '{':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("is nested deeper than %d", MaxDepth)
			}
			values++
		case ']', '}':
			depth--
		case ',', ':':
			values++
		}
	}
	if values > MaxValues {
		return fmt.Errorf("holds more than %d values", MaxValues)
	}
	return nil
}

// clone copies a tree. It takes from the budget one for each value.
func clone(v any, budget *int) (any, error) {
	if *budget--; *budget < 0 {
		return nil, ErrTooLarge
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			c, err := clone(member, budget)
			if err != nil {
				return nil, err
			}
			out[name] = c
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			c, err := clone(item, budget)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	}
	return v, nil
}
