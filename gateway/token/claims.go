package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of what a part of a token may hold.
const (
	maxDepth  = 16
	maxValues = 1000
)

// Claims are what a verified token says. They never change, and hold as long as
// anybody keeps them. A nil one says nothing.
type Claims struct {
	values map[string]any
	cost   int // of memory, roughly, in bytes
	digest [32]byte
}

// Digest tells claims apart: it is the SHA-256 of how they were written.
func (c *Claims) Digest() [32]byte { return c.digest }

// Map returns the claims as they are: texts, bools, ints, float64s, lists ([]any)
// and objects (map[string]any). Nobody may change them.
func (c *Claims) Map() map[string]any {
	if c == nil {
		return nil
	}
	return c.values
}

// Value returns a claim; false for none.
func (c *Claims) Value(name string) (any, bool) {
	v, ok := c.Map()[name]
	return v, ok
}

// Text returns a claim that is a text, or a list of exactly one; "" for any other.
func (c *Claims) Text(name string) string {
	switch v := c.Map()[name].(type) {
	case string:
		return v
	case []any:
		if len(v) == 1 {
			s, _ := v[0].(string)
			return s
		}
	}
	return ""
}

// Texts returns a claim that is a list of texts, or one text; what else a list
// holds is left out.
func (c *Claims) Texts(name string) []string {
	switch v := c.Map()[name].(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// Words returns a claim as Texts does, but for a text that is several words: each
// is one. Scopes are written either way.
func (c *Claims) Words(name string) []string {
	if s, ok := c.Map()[name].(string); ok {
		return strings.Fields(s)
	}
	return c.Texts(name)
}

// Bound returns the SHA-256 of the client certificate that a token is bound to
// (RFC 8705), nil for none. A token that is bound to anything else, such as the
// key of a proof (RFC 9449), must not be taken from whoever bears it.
func (c *Claims) Bound() (*[32]byte, error) {
	v, ok := c.Value("cnf")
	if !ok {
		return nil, nil //nolint:nilnil // as it says
	}
	confirmation, _ := v.(map[string]any)
	text, _ := confirmation["x5t#S256"].(string)
	sum, err := decode(text)
	if len(confirmation) != 1 || err != nil || len(sum) != 32 {
		return nil, refused("The token is bound to a key whose proof is not supported here: its cnf is other than the thumbprint of a certificate. Ask its issuer for a bearer token.")
	}
	return (*[32]byte)(sum), nil
}

// GetExpirationTime implements jwt.Claims.
func (c *Claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetIssuedAt implements jwt.Claims.
func (c *Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetNotBefore implements jwt.Claims.
func (c *Claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuer implements jwt.Claims.
func (c *Claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject implements jwt.Claims.
func (c *Claims) GetSubject() (string, error) { return c.text("sub") }

// GetAudience implements jwt.Claims.
func (c *Claims) GetAudience() (jwt.ClaimStrings, error) {
	v, ok := c.Value("aud")
	texts := c.Texts("aud")
	if list, isList := v.([]any); ok && (isList && len(list) != len(texts) || !isList && texts == nil) {
		return nil, errors.New("aud is neither a text nor a list of texts")
	}
	return texts, nil
}

func (c *Claims) text(name string) (string, error) {
	v, ok := c.Value(name)
	if !ok {
		return "", nil
	}
	s, isText := v.(string)
	if !isText {
		return "", fmt.Errorf("%s is no text", name)
	}
	return s, nil
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

func (c *Claims) date(name string) (*jwt.NumericDate, error) {
	v, ok := c.Value(name)
	if !ok {
		return nil, nil //nolint:nilnil // what jwt.Claims wants for none
	}
	var seconds float64
	switch n := v.(type) {
	case int:
		seconds = float64(n)
	case float64:
		seconds = n
	default:
		return nil, fmt.Errorf("%s is no number", name)
	}
	if seconds < 0 || seconds > maxDate {
		return nil, fmt.Errorf("%s is no time", name)
	}
	whole, part := math.Modf(seconds)
	return jwt.NewNumericDate(time.Unix(int64(whole), int64(part*1e9))), nil
}

// holds reports whether a claim is, or as a list holds, one of some texts; any
// value but null where none are named.
func (c *Claims) holds(name string, texts []string) bool {
	v, ok := c.Value(name)
	if len(texts) == 0 {
		return ok && v != nil
	}
	for _, have := range c.Texts(name) {
		if slices.Contains(texts, have) {
			return true
		}
	}
	switch v.(type) {
	case bool, int, float64:
		return slices.Contains(texts, fmt.Sprint(v))
	}
	return false
}

// readObject reads a JSON object strictly: what encoding/json lets pass, such as
// a name that stands there twice, of which another program may read the other,
// is an error.
func readObject(data []byte) (*Claims, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(data)), claims: &Claims{cost: len(data), digest: sha256.Sum256(data)}}
	r.dec.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is no JSON object")
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("goes on after its end")
	}
	r.claims.values = object
	r.claims.cost += r.values * 64
	return r.claims, nil
}

type reader struct {
	dec    *json.Decoder
	claims *Claims
	values int
}

func (r *reader) value(depth int) (any, error) {
	if r.values++; r.values > maxValues {
		return nil, fmt.Errorf("holds more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	t, err := r.dec.Token()
	if err != nil {
		return nil, errors.New("is no JSON")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case json.Number:
		return number(t)
	}
	return t, nil
}

func (r *reader) object(depth int) (any, error) {
	out := map[string]any{}
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return nil, errors.New("is no JSON")
		}
		name, _ := t.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("says %q twice", clipped(name))
		}
		if out[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return out, r.end()
}

func (r *reader) list(depth int) (any, error) {
	out := []any{}
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.end()
}

func (r *reader) end() error {
	if _, err := r.dec.Token(); err != nil {
		return errors.New("is no JSON")
	}
	return nil
}

// number reads an int where it is one, so that expressions compare it exactly.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return int(i), nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, errors.New("holds a number that is too large")
	}
	return f, nil
}

// clipped shows a caller's own text back to it, within bounds.
func clipped(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
