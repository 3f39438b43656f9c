package entry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Secret is a field of a policy's configuration that nobody may see. In a draft
// it is a text that names a secret value of the environment, "${name}", and in an
// entry {"sealed": {…}}. The zero value holds none.
type Secret struct {
	Ref    string  // as it is written in a draft; "" in an entry
	Sealed *Sealed // nil in a draft

	// Opened is the secret once a node has opened it; it never travels.
	Opened string
}

// secretName is what a secret value may be called, within its reference.
var secretName = regexp.MustCompile(`^\$\{([a-z][a-z0-9_]{0,62})\}$`)

// Name returns the name of the value that a draft refers to; "" where the text is
// no reference.
func (s Secret) Name() string {
	if m := secretName.FindStringSubmatch(s.Ref); m != nil {
		return m[1]
	}
	return ""
}

// IsZero reports whether the field holds no secret.
func (s Secret) IsZero() bool { return s.Ref == "" && s.Sealed == nil && s.Opened == "" }

// String hides the secret from whatever prints a configuration.
func (s Secret) String() string {
	if s.Name() != "" {
		return s.Ref
	}
	return "[hidden]"
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

type secretWire struct {
	Sealed *Sealed `json:"sealed"`
}

// MarshalJSON writes what is sealed, or else the reference. What was opened is
// written nowhere.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s.Sealed != nil {
		return json.Marshal(secretWire{s.Sealed})
	}
	return json.Marshal(s.Ref)
}

// UnmarshalJSON reads a text, or strictly what is sealed.
func (s *Secret) UnmarshalJSON(raw []byte) error {
	*s = Secret{}
	raw = bytes.TrimSpace(raw)
	switch {
	case bytes.HasPrefix(raw, []byte("{")):
		var wire secretWire
		if err := Strict(raw, &wire); err != nil {
			return err
		}
		s.Sealed = wire.Sealed
		return nil
	case bytes.HasPrefix(raw, []byte(`"`)):
		return json.Unmarshal(raw, &s.Ref)
	case string(raw) == "null":
		return nil
	}
	return &json.UnmarshalTypeError{Value: "another value", Type: reflect.TypeFor[string]()}
}

// SecretField is a secret of a configuration, and where it stands there:
// "client_secret", "calls[0].password".
type SecretField struct {
	Field string
	*Secret
}

// Secrets returns every field of a configuration that may hold a secret, also
// those that hold none. They are the configuration's own: what is set in them is
// set there.
func Secrets(config PolicyConfig) []SecretField {
	var out []SecretField
	if config != nil {
		secrets(reflect.ValueOf(config), "", &out)
	}
	return out
}

func secrets(v reflect.Value, at string, out *[]SecretField) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			secrets(v.Elem(), at, out)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer {
			for i := range v.Len() {
				secrets(v.Index(i), at+"["+strconv.Itoa(i)+"]", out)
			}
		}
	case reflect.Struct:
		if s, ok := v.Addr().Interface().(*Secret); ok {
			*out = append(*out, SecretField{at, s})
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "" || name == "-" {
				continue
			}
			field := name
			if at != "" {
				field = at + "." + field
			}
			secrets(v.Field(i), field, out)
		}
	}
}

// PolicySecretInfo names what a secret of a policy is sealed as, so that it opens
// as nothing else. version is a uuid; operation is the route's, "" for the
// version's own policies; place is the policy's among those of the entry.
func PolicySecretInfo(version, operation string, place int, kind PolicyKind, field string) string {
	return fmt.Sprintf("policy|%s|%q|%d|%s|%s", version, operation, place, kind, field)
}
