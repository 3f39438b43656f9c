package openapi

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"portico/openapi/tree"
)

// Format is how a document is written.
type Format string

// The formats.
const (
	JSON Format = "json"
	YAML Format = "yaml"
)

// source is a document that was parsed and is known to be OpenAPI 3.x, or was
// made so.
type source struct {
	tree      *tree.Tree
	root      tree.Node
	format    Format
	version   string // as the document says
	rewritten bool   // the tree is not what raw says: files were put together, or Swagger 2.0 rewritten
	archive   *Archive
	limits    Limits
	found     *findings
	refs      *references
}

// read parses raw, whatever it is, and refuses all but OpenAPI 3.x and
// Swagger 2.0, of which it makes OpenAPI 3.0.
func read(raw []byte, limits Limits) (*source, error) {
	s := &source{limits: limits, found: newFindings(limits.MaxFindings)}
	if len(raw) > limits.MaxBytes {
		return nil, &Error{Code: ErrTooLarge, Message: fmt.Sprintf("The document has %d bytes; %d are allowed.", len(raw), limits.MaxBytes)}
	}
	var err error
	if IsArchive(raw) {
		err = s.readArchive(raw)
	} else {
		err = s.readText(raw)
	}
	if err != nil {
		return nil, err
	}
	s.root = s.tree.Root()
	if err := s.checkVersion(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *source) readText(raw []byte) error {
	text, err := decode(raw)
	if err != nil {
		return err
	}
	repaired := !utf8.Valid(text)
	if repaired {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	if s.format = sniff(text); s.format == JSON {
		s.tree, err = tree.ParseJSON(text, s.limits.tree())
	} else {
		s.tree, err = tree.ParseYAML(text, s.limits.tree())
	}
	if err != nil {
		return fromTree(err)
	}
	if repaired {
		s.found.add(s.tree.Root(), SeverityWarning, FindNotUTF8, "Save the document as UTF-8.",
			"The document is not UTF-8 throughout; what could not be read is shown as \uFFFD.")
	}
	return nil
}

func (s *source) readArchive(raw []byte) error {
	a, err := ReadArchive(raw, s.limits)
	if err == nil && a.Root == "" {
		a.Root, err = a.findRoot(s.limits)
	}
	if err != nil {
		return err
	}
	s.archive, s.format, s.rewritten = a, YAML, true
	if sniff(bytes.TrimPrefix(a.Files[a.Root], []byte("\xef\xbb\xbf"))) == JSON {
		s.format = JSON
	}
	s.tree, err = bundle(a, s.limits, s.found)
	return fromTree(err)
}

// decode removes a byte order mark and names what is no text at all.
func decode(raw []byte) ([]byte, error) {
	text := bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	start := bytes.TrimLeft(text, " \t\r\n")
	is := func(prefix string) bool { return bytes.HasPrefix(start, []byte(prefix)) }
	not := func(format string) error { return &Error{Code: ErrNotDocument, Message: format} }
	switch {
	case len(start) == 0:
		return nil, &Error{Code: ErrEmpty, Message: "The document is empty.", Line: 1, Column: 1}
	case is("\xff\xfe"), is("\xfe\xff"):
		return nil, not("The document is UTF-16. Save it as UTF-8 and import it again.")
	case is("PK\x03\x04"):
		return nil, not("This is a zip archive inside another. Unpack it.")
	case is("\x1f\x8b"):
		return nil, not("This is a gzip archive. Unpack it and import the document itself.")
	case is("%PDF"):
		return nil, not("This is a PDF, not an OpenAPI document.")
	case is("<"):
		return nil, not("This is a web page or XML, not an OpenAPI document. If it came from a URL, use the address of the raw file.")
	case bytes.IndexByte(start, 0) >= 0:
		return nil, not("This is a binary file, not an OpenAPI document.")
	}
	return text, nil
}

// sniff tells JSON from YAML, which may begin with a brace as well: JSON's
// goes on with a name in double quotes or is closed.
func sniff(text []byte) Format {
	start := bytes.TrimLeft(text, " \t\r\n")
	if start[0] == '[' {
		return JSON
	}
	if start[0] != '{' {
		return YAML
	}
	rest := bytes.TrimLeft(start[1:], " \t\r\n")
	if len(rest) == 0 || rest[0] == '"' || rest[0] == '}' || rest[0] < ' ' {
		return JSON
	}
	return YAML
}

func (s *source) checkVersion() error {
	if !s.root.IsObject() {
		return refuse(s.root, ErrNotOpenAPI, "The document is %s, not an OpenAPI document, which is an object with a field \"openapi\".", s.root.Kind())
	}
	if v := s.root.Get("swagger"); v.Exists() {
		if s.version = strings.TrimSpace(v.Text()); s.version != "2.0" && s.version != "2" {
			return refuse(v, ErrVersion, "The field \"swagger\" says %q; Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2 are understood.", short(s.version))
		}
		return s.fromSwagger()
	}
	v := s.root.Get("openapi")
	if !v.Exists() {
		return s.notOpenAPI()
	}
	s.version = strings.TrimSpace(v.Text())
	major, rest, _ := strings.Cut(s.version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if major != "3" {
		return refuse(v, ErrVersion, "The field \"openapi\" says %q; Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2 are understood.", short(s.version))
	}
	switch minor {
	case "0", "1", "2":
	default:
		s.found.add(v, SeverityWarning, FindVersionNewer, "", "OpenAPI %s is not known; the document is read as 3.2.", short(s.version))
	}
	return nil
}

// notOpenAPI says what the document looks like instead.
func (s *source) notOpenAPI() error {
	for _, other := range []struct{ field, name string }{
		{"asyncapi", "an AsyncAPI document"},
		{"swaggerVersion", "a Swagger 1 document"},
		{"item", "a Postman collection"},
		{"$schema", "a JSON Schema"},
		{"arazzo", "an Arazzo document"},
		{"overlay", "an OpenAPI overlay"},
		{"kind", "a Kubernetes object"},
	} {
		if at := s.root.Get(other.field); at.Exists() {
			return refuse(at, ErrNotOpenAPI, "This looks like %s: it has a field %q and none named \"openapi\". Import an OpenAPI 3 or Swagger 2.0 document.", other.name, other.field)
		}
	}
	return refuse(s.root, ErrNotOpenAPI, "The document has no field \"openapi\", so it is not an OpenAPI document.")
}

// short keeps what a document says from flooding a message.
func short(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
