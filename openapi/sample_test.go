package openapi_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"portico/openapi"
)

// hostileRef is an operation whose every text tries to leave its quotes.
func hostileRef() openapi.Reference {
	evil := "a\"b'c`d$e\\f\n${g}$(h)\u2028%0a"
	return openapi.Reference{
		ID: "evil", Method: "POST", Path: "/{x}/y",
		Predicates: []openapi.Predicate{{In: "header", Name: "X-Target", Value: "a\"'`$b"}, {In: "query", Name: "q&r", Value: "1 2"}},
		Parameters: []openapi.ParameterGroup{
			{In: "path", Parameters: []openapi.Property{{Name: "x", Type: "string", Required: true, Example: evil}}},
			{In: "query", Parameters: []openapi.Property{{Name: "y", Type: "string", Required: true, Default: evil}, {Name: "z", Type: "string"}}},
			{In: "header", Parameters: []openapi.Property{{Name: "X-Evil", Type: "string", Required: true, Example: evil}, {Name: "Authorization", Required: true}}},
			{In: "cookie", Parameters: []openapi.Property{{Name: "c", Type: "string", Required: true, Enum: []string{evil}}}},
		},
		Body: &openapi.Body{Media: []openapi.Media{{Type: "application/json", Example: &openapi.Example{
			Language: "json", Text: `{"it's": "$x ` + "`id`" + ` \\ \" ", "n": -1.5e3, "t": true, "u": null}`,
		}}}},
	}
}

func sample(t *testing.T, ref openapi.Reference, target openapi.SampleTarget, language string) openapi.CodeSample {
	t.Helper()
	list := openapi.Samples(ref, target)
	i := slices.IndexFunc(list, func(s openapi.CodeSample) bool { return s.Language == language })
	if i < 0 {
		t.Fatalf("no sample in %s", language)
	}
	return list[i]
}

func TestSamplesHoldTogetherWithHostileTexts(t *testing.T) {
	for _, key := range []string{"", "$OTHER_KEY", "pk_\"'`$(id)\\\n"} {
		for _, in := range []string{"", "bearer", "header", "query"} {
			target := openapi.SampleTarget{BaseURL: "https://gateway.example/v1", Auth: openapi.SampleAuth{In: in}, Key: key}
			text := sample(t, hostileRef(), target, "go").Text()
			if _, err := parser.ParseFile(token.NewFileSet(), "main.go", text, parser.AllErrors); err != nil {
				t.Errorf("key %q in %q: the Go sample does not parse: %v\n%s", key, in, err, text)
			}
			words, err := shellWords(sample(t, hostileRef(), target, "curl").Text())
			if err != nil {
				t.Errorf("key %q in %q: the curl sample does not hold: %v", key, in, err)
				continue
			}
			if words[0] != "curl" || !json.Valid([]byte(words[len(words)-1])) {
				t.Errorf("key %q in %q: the last of %q is not the body", key, in, words)
			}
		}
	}
}

// shellWords splits a command as a POSIX shell would. It fails on whatever a
// shell would still expand, but for the variable of the key.
func shellWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'':
			if c == '\'' {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				word.WriteByte(text[i])
				in = true
			}
		case quote == '"' && c == '"':
			quote = 0
		case c == '`', c == '$' && !strings.HasPrefix(text[i:], "$PORTICO_KEY") && !strings.HasPrefix(text[i:], "$OTHER_KEY"):
			return nil, errExpands
		case quote == '"':
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		case strings.IndexByte(";&|<>(){}*?!#~", c) >= 0:
			return nil, errExpands
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	if quote != 0 {
		return nil, errOpen
	}
	return words, nil
}

type sampleError string

func (e sampleError) Error() string { return string(e) }

const (
	errExpands = sampleError("the shell would expand or cut something")
	errOpen    = sampleError("a quote is not closed")
)

func TestSamplesMarkTheKeyAsTheReadersOwn(t *testing.T) {
	ref := openapi.Reference{ID: "a", Method: "GET", Path: "/a"}
	for _, c := range []struct {
		auth            openapi.SampleAuth
		key             string
		language, mine  string
		contains, never string
	}{
		{openapi.SampleAuth{In: "bearer"}, "", "curl", "$PORTICO_KEY", `"Authorization: Bearer $PORTICO_KEY"`, ""},
		{openapi.SampleAuth{In: "header", Name: "X-API-Key"}, "", "curl", "$PORTICO_KEY", `"X-API-Key: $PORTICO_KEY"`, "Bearer"},
		{openapi.SampleAuth{In: "query", Name: "api_key"}, "", "curl", "$PORTICO_KEY", `"https://g.example/a?api_key=$PORTICO_KEY"`, "-H"},
		{openapi.SampleAuth{In: "bearer"}, "portico_live_abc", "curl", "portico_live_abc", `"Authorization: Bearer portico_live_abc"`, "PORTICO_KEY"},
		{openapi.SampleAuth{In: "bearer"}, "", "javascript", "${process.env.PORTICO_KEY}", "`Bearer ${process.env.PORTICO_KEY}`", "$PORTICO_KEY"},
		{openapi.SampleAuth{In: "header"}, "portico_live_abc", "javascript", "portico_live_abc", `"X-API-Key": "portico_live_abc"`, "process.env"},
		{openapi.SampleAuth{In: "bearer"}, "", "python", `"PORTICO_KEY"`, `"Bearer " + os.environ["PORTICO_KEY"]`, "$PORTICO_KEY"},
		{openapi.SampleAuth{In: "query"}, "", "go", `"PORTICO_KEY"`, `"https://g.example/a?api_key="+os.Getenv("PORTICO_KEY")`, "Header.Set"},
		{openapi.SampleAuth{}, "", "go", "", `http.NewRequest("GET", "https://g.example/a", nil)`, "PORTICO_KEY"},
	} {
		s := sample(t, ref, openapi.SampleTarget{BaseURL: "https://g.example/", Auth: c.auth, Key: c.key}, c.language)
		mine := ""
		for _, token := range s.Tokens {
			if token.Class == "mine" {
				mine += token.Text
			}
			if !slices.Contains([]string{"", "k", "s", "n", "c", "f", "a", "mine"}, token.Class) || token.Text == "" {
				t.Errorf("%s: token %+v", c.language, token)
			}
		}
		if mine != c.mine {
			t.Errorf("%s %v: marks %q, want %q", c.language, c.auth, mine, c.mine)
		}
		if text := s.Text(); !strings.Contains(text, c.contains) || c.never != "" && strings.Contains(text, c.never) {
			t.Errorf("%s %v: want %s and not %q in\n%s", c.language, c.auth, c.contains, c.never, text)
		}
	}
}
