package policy

import "encoding/hex"

// ID is a uuid in its sixteen bytes.
type ID [16]byte

// ParseID reads the 32 hexadecimal digits of an entry.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 32 {
		return ID{}, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

// String writes the 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Scope says which route a request takes. It never changes once made.
type Scope struct {
	Version   ID
	API       ID
	Tenant    ID // that offers the API
	Name      string
	Revision  int
	Operation string
	Path      string // template, as it is declared

	// Vary names the headers by which the gateway tells calls of the path apart, for
	// caches before it: those that choose the route, and that hold credentials. "" is
	// none.
	Vary string

	// MaxBodyBytes bounds the request's body; 0 leaves it to the environment.
	MaxBodyBytes int64
}

// Params are the values of a route's path parameters, decoded.
type Params struct {
	names  []string
	values []string
}

// Begin empties the values and sets the names that they will have.
func (p *Params) Begin(names []string) { p.names, p.values = names, p.values[:0] }

// Add appends the value of the next name.
func (p *Params) Add(value string) { p.values = append(p.values, value) }

// Value returns a parameter by its name.
func (p *Params) Value(name string) (string, bool) {
	for i, n := range p.names {
		if n == name && i < len(p.values) {
			return p.values[i], true
		}
	}
	return "", false
}

// Len returns how many values there are.
func (p *Params) Len() int { return len(p.values) }

// At returns the name and value of the i-th parameter.
func (p *Params) At(i int) (name, value string) { return p.names[i], p.values[i] }
