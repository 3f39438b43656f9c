package openapi

import "strings"

// SampleTarget is where and as whom a code sample calls.
type SampleTarget struct {
	BaseURL string     // where the API is mounted: https://gateway.example/demo/orders/v1
	Auth    SampleAuth // how the credential is sent; the zero value sends none
	// Says is what every call has to say beside the path, by which the API is
	// found at BaseURL.
	Says []Predicate

	// Key is the credential as the sample shows it. With a dollar sign in
	// front it names an environment variable, which the sample reads; "" is
	// $PORTICO_KEY.
	Key string
}

// SampleAuth says where a credential goes.
type SampleAuth struct {
	In   string // "bearer", "header", "query", or "" for none
	Name string // of the header or query parameter
}

// CodeSample is a call in one language, ready to be pasted.
type CodeSample struct {
	Language string  `json:"language"` // curl, javascript, python, go: also its name in URLs and cookies
	Title    string  `json:"title"`    // curl, JavaScript, Python, Go
	Tokens   []Token `json:"tokens"`
}

// Token is a piece of a sample. Class is how it is highlighted: k keyword,
// s string, n number, c comment, f function or flag, a attribute, mine the
// reader's own credential, and "" for everything else.
type Token struct {
	Class string `json:"class,omitempty"`
	Text  string `json:"text"`
}

// Text is the sample as it is copied.
func (c CodeSample) Text() string {
	var b strings.Builder
	for _, t := range c.Tokens {
		b.WriteString(t.Text)
	}
	return b.String()
}

// Samples are calls of an operation in curl, JavaScript, Python and Go. What
// a call must bring is filled in from examples, defaults and types.
func Samples(ref Reference, target SampleTarget) []CodeSample {
	c := newCall(ref, target)
	return []CodeSample{
		{"curl", "curl", c.curl()},
		{"javascript", "JavaScript", c.javaScript()},
		{"python", "Python", c.python()},
		{"go", "Go", c.golang()},
	}
}

// tokens are written from left to right; neighbours of one class are one.
type tokens []Token

func (t *tokens) add(class, text string) *tokens {
	if text == "" {
		return t
	}
	if n := len(*t); n > 0 && (*t)[n-1].Class == class {
		(*t)[n-1].Text += text
		return t
	}
	*t = append(*t, Token{class, text})
	return t
}

func (t *tokens) p(text string) *tokens { return t.add("", text) }
func (t *tokens) k(text string) *tokens { return t.add("k", text) }
func (t *tokens) s(text string) *tokens { return t.add("s", text) }
func (t *tokens) f(text string) *tokens { return t.add("f", text) }
func (t *tokens) m(text string) *tokens { return t.add("mine", text) }

// json writes JSON text with its strings and numbers marked. Its lines after
// the first get the margin; words replaces true, false and null.
func (t *tokens) json(text, margin string, words map[string]string, quote func(string) string) *tokens {
	text = strings.ReplaceAll(text, "\n", "\n"+margin)
	for i := 0; i < len(text); {
		start := i
		switch c := text[i]; {
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(text))
			t.s(quote(text[start:i]))
		case c == '-' || c >= '0' && c <= '9':
			for i < len(text) && strings.IndexByte("+-.eE0123456789", text[i]) >= 0 {
				i++
			}
			t.add("n", text[start:i])
		case c >= 'a' && c <= 'z':
			for i < len(text) && text[i] >= 'a' && text[i] <= 'z' {
				i++
			}
			word := text[start:i]
			if other, ok := words[word]; ok {
				word = other
			}
			t.k(word)
		default:
			i++
			t.p(text[start:i])
		}
	}
	return t
}

func same(s string) string { return s }
