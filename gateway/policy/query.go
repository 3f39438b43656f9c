package policy

import "strings"

// QueryValue finds a parameter of a raw query by its decoded name. It returns
// the first raw value, and how often the name is there.
func QueryValue(query, name string) (raw string, count int) {
	for rest := query; rest != ""; {
		pair := rest
		if i := strings.IndexByte(rest, '&'); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		k, v, _ := strings.Cut(pair, "=")
		if !QueryEqual(k, name) {
			continue
		}
		if count++; count == 1 {
			raw = v
		}
	}
	return raw, count
}

// QueryEqual compares the raw form of a query's name or value with a decoded
// text.
func QueryEqual(raw, text string) bool {
	j := 0
	for i := 0; i < len(raw); i, j = i+1, j+1 {
		c := raw[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(raw) && unhex[raw[i+1]] < 16 && unhex[raw[i+2]] < 16:
			c = unhex[raw[i+1]]<<4 | unhex[raw[i+2]]
			i += 2
		}
		if j >= len(text) || text[j] != c {
			return false
		}
	}
	return j == len(text)
}

// appendQueryText appends what the raw form of a query's name or value says.
func appendQueryText(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(raw) && unhex[raw[i+1]] < 16 && unhex[raw[i+2]] < 16:
			c = unhex[raw[i+1]]<<4 | unhex[raw[i+2]]
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}
