package tree

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Append writes a tree as JSON behind dst, at most limit bytes of it. It also
// writes what expressions make: numbers of Go's own, and lists and maps of any
// element. Anything else is an error.
func Append(dst []byte, v any, limit int) ([]byte, error) {
	w := writer{dst, len(dst) + limit}
	if err := w.value(v, 0); err != nil {
		return dst, err
	}
	return w.out, nil
}

type writer struct {
	out []byte
	end int
}

func (w *writer) value(v any, depth int) error {
	if len(w.out) > w.end {
		return ErrTooLarge
	}
	if depth > MaxDepth {
		return fmt.Errorf("is nested deeper than %d", MaxDepth)
	}
	switch v := v.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case string:
		return w.text(v)
	case json.Number:
		w.out = append(w.out, v...)
	case Raw:
		if len(w.out)+len(v) > w.end {
			return ErrTooLarge
		}
		w.out = append(w.out, v...)
	case int:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int64:
		w.out = strconv.AppendInt(w.out, v, 10)
	case float64:
		return w.float(v)
	case map[string]any:
		return w.object(v, depth)
	case []any:
		return w.list(len(v), func(i int) any { return v[i] }, depth)
	default:
		return w.other(reflect.ValueOf(v), depth)
	}
	return w.full()
}

func (w *writer) full() error {
	if len(w.out) > w.end {
		return ErrTooLarge
	}
	return nil
}

// float writes a number as short as it can be read back, without an exponent
// where it is a whole one.
func (w *writer) float(f float64) error {
	switch {
	case math.IsNaN(f), math.IsInf(f, 0):
		return fmt.Errorf("holds %v, which JSON cannot write", f)
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		w.out = strconv.AppendFloat(w.out, f, 'f', -1, 64)
	default:
		w.out = strconv.AppendFloat(w.out, f, 'g', -1, 64)
	}
	return w.full()
}

func (w *writer) object(v map[string]any, depth int) error {
	w.out = append(w.out, '{')
	for i, name := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.text(name); err != nil {
			return err
		}
		w.out = append(w.out, ':')
		if err := w.value(v[name], depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return w.full()
}

func (w *writer) list(length int, at func(int) any, depth int) error {
	w.out = append(w.out, '[')
	for i := range length {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.value(at(i), depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return w.full()
}

// other writes what is of no tree's own type.
func (w *writer) other(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32:
		w.out = strconv.AppendInt(w.out, v.Int(), 10)
		return w.full()
	case reflect.Slice, reflect.Array:
		return w.list(v.Len(), func(i int) any { return v.Index(i).Interface() }, depth)
	case reflect.Map:
		members := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			name := it.Key()
			if name.Kind() == reflect.Interface {
				name = name.Elem()
			}
			if name.Kind() != reflect.String {
				return fmt.Errorf("holds an object with a member whose name is no text")
			}
			members[name.String()] = it.Value().Interface()
		}
		return w.object(members, depth)
	}
	return fmt.Errorf("holds a %s, which JSON cannot write", v.Type())
}

// text writes a string; bytes that are no UTF-8 become U+FFFD.
func (w *writer) text(s string) error {
	if len(w.out)+len(s) > w.end {
		return ErrTooLarge
	}
	const hex = "0123456789abcdef"
	w.out = append(w.out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				w.out = append(append(w.out, s[start:i]...), `\ufffd`...)
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		w.out = append(w.out, s[start:i]...)
		switch c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\n':
			w.out = append(w.out, '\\', 'n')
		case '\r':
			w.out = append(w.out, '\\', 'r')
		case '\t':
			w.out = append(w.out, '\\', 't')
		default:
			w.out = append(w.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	w.out = append(append(w.out, s[start:]...), '"')
	return w.full()
}
