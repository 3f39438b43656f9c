// Package coding packs and unpacks bodies: gzip, brotli, zstd, and deflate to
// unpack only. Its memory is bounded, and what is unpacked is bounded in size and
// in its ratio to what came. It knows no exchange: the policies compress and
// decompress decide what is packed.
package coding

import "strings"

// Coding is a content coding. The zero value is none.
type Coding uint8

// The codings that there are.
const (
	Gzip Coding = iota + 1
	Brotli
	Zstd
	Deflate
	codings
)

// String returns the coding's name in headers.
func (c Coding) String() string {
	switch c {
	case Gzip:
		return "gzip"
	case Brotli:
		return "br"
	case Zstd:
		return "zstd"
	case Deflate:
		return "deflate"
	}
	return "identity"
}

// Parse returns the coding of a name; ok is false for an unknown one. Identity is
// the zero value.
func Parse(name string) (c Coding, ok bool) {
	switch strings.ToLower(name) {
	case "gzip", "x-gzip":
		return Gzip, true
	case "br":
		return Brotli, true
	case "zstd":
		return Zstd, true
	case "deflate":
		return Deflate, true
	case "identity", "":
		return 0, true
	}
	return 0, false
}

// Chooser finds the coding that a caller likes best. The zero value finds none.
type Chooser struct {
	q    [codings]int // per mille; 0 not said, -1 refused
	star int
}

// Add reads a value of Accept-Encoding; there may be several.
func (c *Chooser) Add(value string) {
	for value != "" {
		item := value
		if i := strings.IndexByte(value, ','); i >= 0 {
			item, value = value[:i], value[i+1:]
		} else {
			value = ""
		}
		name, parameters, _ := strings.Cut(item, ";")
		name = strings.Trim(name, " \t")
		q := quality(parameters)
		if name == "*" {
			c.star = q
		} else if at, ok := Parse(name); ok && at != 0 {
			c.q[at] = q
		}
	}
}

// Best returns the coding of an order that is liked best, the first of those that
// are liked as much, or none.
func (c *Chooser) Best(order []Coding) Coding {
	best, liked := Coding(0), 0
	for _, at := range order {
		q := c.q[at]
		if q == 0 {
			q = c.star
		}
		if q > liked {
			best, liked = at, q
		}
	}
	return best
}

// quality reads the parameter q: 1000 where there is none, -1 for zero and for
// what cannot be read.
func quality(parameters string) int {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, found := strings.Cut(strings.Trim(p, " \t"), "=")
		if !found || !strings.EqualFold(strings.Trim(name, " \t"), "q") {
			continue
		}
		value = strings.Trim(value, " \t")
		if value == "" || value[0] != '0' && value[0] != '1' || len(value) > 5 || len(value) > 1 && value[1] != '.' {
			return -1
		}
		q, unit := int(value[0]-'0')*1000, 100
		for i := 2; i < len(value); i++ {
			if value[i] < '0' || value[i] > '9' {
				return -1
			}
			q += int(value[i]-'0') * unit
			unit /= 10
		}
		if q == 0 || q > 1000 {
			return -1
		}
		return q
	}
	return 1000
}
