package openapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"portico/openapi/tree"
)

// secondReading is what kin-openapi has to say about a document that passed
// the guards. Nothing of it is a refusal, a panic included.
func secondReading(ctx context.Context, src *source, raw []byte, progress func(string, int, int)) (list []Finding) {
	out := newFindings(src.limits.MaxFindings)
	defer func() {
		if r := recover(); r != nil {
			out.add(src.root, SeverityWarning, FindLoadFailed, "", "The check of the document against the specification broke off: %s.", short(fmt.Sprint(r)))
		}
		list = out.list
	}()
	src.checkPatterns(out)
	if why := src.tooMuch(); why != "" {
		out.add(src.root, SeverityInfo, FindLoadSkipped, "", "%s The check of the document against the specification is left out.", why)
		return
	}
	progress(StageLoad, 1, 3)
	text := src.textFor(raw)
	loader := &openapi3.Loader{Context: ctx, ReadFromURIFunc: refuseRead}
	doc, err := loader.LoadFromData(text)
	if err != nil {
		out.add(src.root, SeverityWarning, FindLoadFailed, "The operations can be published, and their reference is shown.",
			"The check of the document against the specification broke off: %s.", short(plain(err)))
		return
	}
	if ctx.Err() != nil {
		return
	}
	progress(StageValidate, 2, 3)
	err = doc.Validate(ctx, openapi3.EnableMultiError(), openapi3.DisableExamplesValidation(),
		openapi3.DisableSchemaDefaultsValidation(), openapi3.DisableSchemaPatternValidation(),
		openapi3.AllowExtraSiblingFields(newerFields()...))
	for _, one := range flatten(err) {
		src.invalid(out, one)
	}
	return
}

// textFor is the document as kin-openapi gets it: JSON, so that it never
// expands aliases itself, and with a title and version that are texts, which
// YAML authors often leave to look like numbers.
func (s *source) textFor(raw []byte) []byte {
	info := s.root.Get("info")
	number := func(n tree.Node) bool { return n.Kind() == tree.Number }
	if !s.rewritten && s.format == JSON && !number(info.Get("version")) && !number(info.Get("title")) {
		return raw
	}
	object := func(dst []byte, n tree.Node, value func([]byte, tree.Node) []byte) []byte {
		dst = append(dst, '{')
		for c := range n.Children() {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(tree.AppendString(dst, c.Key()), ':')
			dst = value(dst, c)
		}
		return append(dst, '}')
	}
	return object(nil, s.root, func(dst []byte, c tree.Node) []byte {
		if !c.KeyIs("info") || !c.IsObject() {
			return c.AppendJSON(dst, "")
		}
		return object(dst, c, func(dst []byte, c tree.Node) []byte {
			if number(c) {
				return tree.AppendString(dst, c.Text())
			}
			return c.AppendJSON(dst, "")
		})
	})
}

// newerFields are OpenAPI 3.2's, some of which the library does not know.
func newerFields() []string {
	return []string{
		"$self", "name", "summary", "kind", "parent", "query", "additionalOperations", "itemSchema", "prefixEncoding",
		"itemEncoding", "mediaTypes", "dataValue", "serializedValue", "defaultMapping", "nodeType", "oauth2MetadataUrl", "deviceAuthorization", "deprecated",
	}
}

// mostDeep is how deep references may lead before kin-openapi takes more than
// a few seconds.
const mostDeep = 2000

// mostWalked is how many values references may lead to in all, each counted as
// often as it is referred to: kin-openapi walks the target of a reference anew
// for each. GitHub's document has half a million.
const mostWalked = 20_000_000

// tooMuch says why kin-openapi would take minutes over a document, or "". A
// ring of 4,000 references without a schema took it 23 s, one of schemas 98 s.
func (s *source) tooMuch() string {
	if len(s.refs.inRing) > 0 {
		return "References of the document lead only to one another."
	}
	if deep := s.graph().deepest(); deep > mostDeep {
		return fmt.Sprintf("References of the document lead up to %d deep.", deep)
	}
	walked := 0
	for _, to := range s.refs.targets {
		if walked += to.Size(); walked > mostWalked {
			return fmt.Sprintf("The document refers to very large parts very often: to more than %d values in all.", mostWalked)
		}
	}
	return ""
}

// refuseRead keeps the loader from reading anything at all: files, URLs and
// metadata addresses alike.
func refuseRead(_ *openapi3.Loader, location *url.URL) ([]byte, error) {
	return nil, fmt.Errorf("%s is outside the document and is not fetched", location.Redacted())
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var many openapi3.MultiError
	if errors.As(err, &many) {
		return many
	}
	return []error{err}
}

// invalid notes one of the library's errors at the place that it speaks of.
func (s *source) invalid(out *findings, err error) {
	var twin *openapi3.ConflictingPathsError
	if errors.As(err, &twin) {
		return // the scan has decided which of the two is routed
	}
	at := s.root
	step := func(keys ...string) {
		for _, key := range keys {
			if next := s.resolve(at.Get(key)); next.Exists() {
				at = next
			}
		}
	}
	for {
		var cause error
		switch e := any(err).(type) { // each layer in turn, so no errors.As
		case *openapi3.SectionValidationError:
			step(e.Section)
			cause = e.Cause
		case *openapi3.PathValidationError:
			step(e.Path)
			cause = e.Cause
		case *openapi3.OperationValidationError:
			step(strings.ToLower(e.Method))
			cause = e.Cause
		case *openapi3.ComponentValidationError:
			step(componentField(e.Section), e.Name)
			cause = e.Cause
		case *openapi3.WebhookValidationError:
			step("webhooks", e.Name)
			cause = e.Cause
		}
		if cause == nil {
			break
		}
		err = cause
	}
	out.add(at, SeverityWarning, FindInvalid, "", "The document does not follow the specification here: %s.", short(plain(err)))
}

// componentField is the field of components that the library's word for a
// kind of component stands for.
func componentField(word string) string {
	switch word {
	case "schema", "parameter", "header", "response", "example", "link", "callback":
		return word + "s"
	case "request body":
		return "requestBodies"
	case "security scheme":
		return "securitySchemes"
	}
	return word
}

// plain is the library's message on one line, without its trailing full stop.
func plain(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "failed to unmarshal data: json error: json: ")
	line, _, _ = strings.Cut(line, ", yaml error:") // it tries YAML as well, in vain
	return strings.TrimRight(strings.TrimSpace(line), ".:")
}

// checkPatterns names the regular expressions that RE2 cannot run: look-around
// and back-references. They are shown and not enforced.
func (s *source) checkPatterns(out *findings) {
	tried := make(map[string]bool)
	for i := range s.tree.Values() {
		n := s.tree.At(i)
		if !n.KeyIs("pattern") || n.String() == "" {
			continue
		}
		pattern := n.String()
		ok, known := tried[pattern]
		if !known {
			if len(tried) == mostPatterns {
				return
			}
			_, err := regexp.Compile(pattern)
			ok = err == nil
			tried[pattern] = ok
		}
		if !ok {
			out.add(n, SeverityInfo, FindPatternUnsupported, "Write it without look-around, back-references, \\u escapes and counts over 1,000 to have it enforced.",
				"The pattern %q is shown and not enforced: it is none that runs in linear time (RE2).", short(pattern))
		}
	}
}

// mostPatterns bounds the compiling of patterns; documents have a few dozen.
const mostPatterns = 5000
