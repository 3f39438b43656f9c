package openapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// secondReading is what kin-openapi has to say about a document that passed
// the guards. Nothing of it is a refusal, a panic included.
func secondReading(ctx context.Context, src *source, raw []byte, progress func(string, int, int)) (list []Finding) {
	out := newFindings(src.limits.MaxFindings)
	defer func() {
		if r := recover(); r != nil {
			out.add(src.root, SeverityWarning, FindLoadFailed, "", "The second reading of the document broke off: %s.", short(fmt.Sprint(r)))
		}
		list = out.list
	}()
	src.checkPatterns(out)
	if size := src.graph().deepest(); size > mostMutual {
		out.add(src.root, SeverityInfo, FindLoadSkipped, "",
			"%d parts of the document refer to one another in turn; the second reading, which checks it against the specification, is left out.", size)
		return
	}
	progress(StageLoad, 1, 3)
	text := raw
	if src.format == YAML {
		text = src.root.AppendJSON(nil, "") // so that it never expands aliases itself
	}
	loader := &openapi3.Loader{Context: ctx, ReadFromURIFunc: refuseRead}
	doc, err := loader.LoadFromData(text)
	if err != nil {
		out.add(src.root, SeverityWarning, FindLoadFailed, "The operations can be published; documentation may lack parts.",
			"The document does not follow the specification: %s.", short(plain(err)))
		return
	}
	if ctx.Err() != nil {
		return
	}
	progress(StageValidate, 2, 3)
	err = doc.Validate(ctx, openapi3.EnableMultiError(), openapi3.DisableExamplesValidation(),
		openapi3.DisableSchemaDefaultsValidation(), openapi3.DisableSchemaPatternValidation())
	for _, one := range flatten(err) {
		out.add(src.root, SeverityWarning, FindInvalid, "", "%s.", short(plain(one)))
	}
	return
}

// mostMutual is how many parts of a document may refer to one another in turn
// before kin-openapi takes minutes.
const mostMutual = 2000

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

// plain is the library's message on one line, without its trailing full stop.
func plain(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
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
			out.add(n, SeverityInfo, FindPatternUnsupported, "Write it without look-around and back-references to have it enforced.",
				"The pattern %q is shown and not enforced: it uses what expressions that run in linear time do not have.", short(pattern))
		}
	}
}

// mostPatterns bounds the compiling of patterns; documents have a few dozen.
const mostPatterns = 5000
