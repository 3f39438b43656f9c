package contract_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"portico/gateway/contract"
	"portico/internal/entry"
	"portico/internal/entry/schema"
)

// head is a call's, as a test writes it.
type head struct {
	path    map[string]string
	query   string
	header  map[string]string
	cookies string
}

func (h head) PathValue(name string) (string, bool) { v, ok := h.path[name]; return v, ok }
func (h head) Query() string                        { return h.query }
func (h head) Header(name string) (string, bool)    { v, ok := h.header[name]; return v, ok }
func (h head) Cookies() string                      { return h.cookies }

func compiled(t testing.TB, c *entry.Contract) *contract.Contract {
	t.Helper()
	set, err := schema.NewSet([]byte(`{"Point":{"type":"object","required":["x"],"properties":{"x":{"type":"integer"},"y":{"type":"integer"},"tags":{"type":"array","items":{"type":"integer"}},"in":{"$ref":"#/$defs/Point"}},"additionalProperties":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := contract.New(c, set)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func texts(list []contract.Wrong) []string {
	out := make([]string, 0, len(list))
	for _, w := range list {
		out = append(out, w.String())
	}
	return out
}

// TestParametersInAllStyles follows the table of styles in OpenAPI 3.1.
func TestParametersInAllStyles(t *testing.T) {
	const (
		scalar = `{"type":"integer"}`
		list   = `{"type":"array","items":{"type":"integer"},"minItems":2}`
		object = `{"$ref":"#/$defs/Point"}`
	)
	for _, c := range []struct {
		in, style string
		explode   bool
		schema    string
		given     string
		wrong     string // "" for none
	}{
		{"path", "simple", false, scalar, "5", ""},
		{"path", "simple", false, scalar, "x", "path p: is a string, not integer"},
		{"path", "simple", false, list, "3,4,5", ""},
		{"path", "simple", false, list, "3,x", "path p /1: is a string, not integer"},
		{"path", "simple", false, object, "x,1,y,2", ""},
		{"path", "simple", true, object, "x=1,y=2", ""},
		{"path", "simple", true, object, "y=2", "path p /x: is missing"},
		{"path", "label", false, scalar, ".5", ""},
		{"path", "label", false, list, ".3,4", ""},
		{"path", "label", true, list, ".3.4", ""},
		{"path", "label", true, object, ".x=1.y=2", ""},
		{"path", "label", false, object, ".x,1,y,b", "path p /y: is a string, not integer"},
		{"path", "matrix", false, scalar, ";p=5", ""},
		{"path", "matrix", false, list, ";p=3,4", ""},
		{"path", "matrix", true, list, ";p=3;p=4", ""},
		{"path", "matrix", true, list, ";p=3", "path p: has 1 items; at least 2 are wanted"},
		{"path", "matrix", false, object, ";p=x,1,y,2", ""},
		{"path", "matrix", true, object, ";x=1;y=2", ""},
		{"header", "simple", false, list, "3, 4", ""},
		{"header", "simple", true, object, "x=1,z=2", "header p /z: is not one of the properties"},
		{"query", "form", true, scalar, "p=5", ""},
		{"query", "form", true, scalar, "p=5&p=6", "query p: is an array, not integer"},
		{"query", "form", true, scalar, "p=", "query p: is a string, not integer"},
		{"query", "form", true, list, "p=3&q=1&p=4", ""},
		{"query", "form", true, list, "p=3", "query p: has 1 items; at least 2 are wanted"},
		{"query", "form", false, list, "p=3,4", ""},
		{"query", "form", false, list, "p=3%2C4", ""},
		{"query", "form", true, object, "x=1&y=2", ""},
		{"query", "form", true, object, "x=a", "query p /x: is a string, not integer"},
		{"query", "form", false, object, "p=x,1,y,2", ""},
		{"query", "spaceDelimited", false, list, "p=3%204", ""},
		{"query", "spaceDelimited", false, list, "p=3+x", "query p /1: is a string, not integer"},
		{"query", "pipeDelimited", false, list, "p=3|4", ""},
		{"query", "pipeDelimited", false, list, "p=3%7C4%7c5", ""},
		{"query", "pipeDelimited", true, list, "p=3&p=4", ""},
		{"query", "pipeDelimited", false, object, "p=x|1|y|2", ""},
		{"query", "deepObject", true, object, "p[x]=1&p%5By%5D=2", ""},
		{"query", "deepObject", true, object, "p[x]=1&p[in][x]=2&p[in][tags]=1&p[in][tags]=2", ""},
		{"query", "deepObject", true, object, "p[x]=1&p[tags][]=1&p[tags][]=a", "query p /tags/1: is a string, not integer"},
		{"query", "deepObject", true, object, "p[x]=1&p[in][x]=b", "query p /in/x: is a string, not integer"},
		{"query", "deepObject", true, object, "p[y]=1", "query p /x: is missing"},
		{"cookie", "form", false, scalar, "a=b; p=5", ""},
		{"cookie", "form", false, scalar, "p=x; p=5", "cookie p: is an array, not integer"},
		{"cookie", "form", false, list, `p="3,4"`, ""},
		{"query", "", false, `{"type":"array","items":{"type":"integer"}}`, "p=" + url.QueryEscape(`[1,2]`), ""},
		{"query", "", false, `{"type":"array","items":{"type":"integer"}}`, "p=" + url.QueryEscape(`[1,"a"]`), "query p /1: is a string, not integer"},
		{"query", "", false, scalar, "p=%5B", "query p: is no application/json"},
		{"query", "form", true, `{"type":["integer","null"]}`, "p=null", ""},
		{"query", "form", true, `{"anyOf":[{"type":"boolean"},{"type":"string","minLength":5}]}`, "p=true", ""},
		{"query", "form", true, `{"anyOf":[{"type":"boolean"},{"type":"string","minLength":5}]}`, "p=no", "query p: has 2 characters; at least 5 are wanted"},
		{"query", "form", true, `{"enum":[1,2]}`, "p=2", ""},
		{"query", "form", true, `{"enum":["1","2"]}`, "p=3", `query p: is none of "1", "2"`},
		{"query", "form", true, `{}`, "p=3", ""},
	} {
		t.Run(fmt.Sprintf("%s %s %v %s", c.in, c.style, c.explode, c.given), func(t *testing.T) {
			p := entry.ContractParameter{Name: "p", In: c.in, Style: c.style, Explode: c.explode, Required: true, Schema: json.RawMessage(c.schema)}
			if c.style == "" {
				p.Type = "application/json"
			}
			var h head
			switch c.in {
			case "path":
				h.path = map[string]string{"p": c.given}
			case "header":
				h.header = map[string]string{"p": c.given}
			case "query":
				h.query = c.given
			default:
				h.cookies = c.given
			}
			got := strings.Join(texts(compiled(t, &entry.Contract{Parameters: []entry.ContractParameter{p}}).Parameters(h, contract.Strictness{})), "; ")
			if got != c.wrong {
				t.Errorf("got %q, want %q", got, c.wrong)
			}
		})
	}
}

// TestWhatIsThereAndWhatIsNot is required, known and allowed to be empty, or not.
func TestWhatIsThereAndWhatIsNot(t *testing.T) {
	c := compiled(t, &entry.Contract{Parameters: []entry.ContractParameter{
		{Name: "a", In: "query", Style: "form", Explode: true, Required: true, Schema: json.RawMessage(`{"type":"integer"}`)},
		{Name: "b", In: "query", Style: "form", Explode: true, AllowEmpty: true, Schema: json.RawMessage(`{"type":"integer"}`)},
		{Name: "f", In: "query", Style: "deepObject", Explode: true, Schema: json.RawMessage(`{"type":"object"}`)},
		{Name: "X-A", In: "header", Style: "simple", Required: true},
		{Name: "Authorization", In: "header", Style: "simple", Required: true},
		{Name: "s", In: "cookie", Style: "form", Required: true},
	}})
	all := head{query: "a=1&b=&f[x]=1", header: map[string]string{"X-A": ""}, cookies: "s=1"}
	if got := c.Parameters(all, contract.Strictness{Unknown: true}); len(got) > 0 {
		t.Errorf("all there: got %q", texts(got))
	}
	got := texts(c.Parameters(head{query: "c=1&g[x]=1"}, contract.Strictness{Unknown: true}))
	want := []string{"query a: is missing", "header X-A: is missing", "cookie s: is missing", "query c: is not known", "query g[x]: is not known"}
	if !slices.Equal(got, want) {
		t.Errorf("nothing there: got %q, want %q", got, want)
	}
	if got := texts(c.Parameters(head{query: "c=1"}, contract.Strictness{})); len(got) != 3 {
		t.Errorf("unknown ones are let pass: got %q", got)
	}
	for _, query := range []string{"a=%zz", strings.Repeat("a=1&", 5000)} {
		if got := c.Parameters(head{query: query}, contract.Strictness{}); len(got) != 1 || got[0].In != "query" {
			t.Errorf("%.20q: got %q", query, texts(got))
		}
	}
}

// TestBodiesByTheirMediaType reads forms and parts as objects.
func TestBodiesByTheirMediaType(t *testing.T) {
	point := json.RawMessage(`{"$ref":"#/$defs/Point"}`)
	c := compiled(t, &entry.Contract{Body: []entry.ContractContent{
		{Type: "application/json; charset=utf-8", Schema: point},
		{Type: "application/x-www-form-urlencoded", Schema: point, Fields: []entry.ContractParameter{{Name: "in", Type: "application/json"}, {Name: "tags", Style: "form"}}},
		{Type: "multipart/form-data", Schema: json.RawMessage(`{"type":"object","required":["file","x"],"properties":{"file":{"type":"string","format":"binary"},"x":{"type":"integer"},"in":{"$ref":"#/$defs/Point"}}}`)},
		{Type: "text/*", Schema: json.RawMessage(`{"type":"string","maxLength":3}`)},
		{Type: "application/octet-stream", Schema: json.RawMessage(`{"type":"string","maxLength":3}`)},
	}})
	part := func(header, text string) string {
		return "--b\r\nContent-Disposition: form-data; " + header + "\r\n\r\n" + text + "\r\n"
	}
	const parts = "multipart/form-data; boundary=b"
	for _, x := range []struct{ kind, body, wrong string }{
		{"application/json", `{"x":1}`, ""},
		{"Application/JSON;charset=UTF-8", `{"y":1}`, "body /x: is missing"},
		{"application/x-www-form-urlencoded", `x=1&tags=1,2&in=%7B%22x%22%3A3%7D`, ""},
		{"application/x-www-form-urlencoded", `x=a&tags=1,b&in=%7B%22x%22%3A%22c%22%7D`, "body /in/x: is a string, not integer; body /tags/1: is a string, not integer; body /x: is a string, not integer"},
		{parts, part(`name="file"; filename="a.bin"`, "\x00\xff") + part(`name="x"`, "5") + part(`name="in"`+"\r\nContent-Type: application/json", `{"x":1}`) + "--b--", ""},
		{parts, part(`name="x"`, "a") + part(`name="in"`+"\r\nContent-Type: application/json", `{"y":1}`) + "--b--", "body /file: is missing; body /x: is a string, not integer; body /in/x: is missing"},
		{parts, part(`name="x"`, "5"), "body: breaks off within a part"},
		{"multipart/form-data", "x", "body: names no boundary in its Content-Type"},
		{"text/plain", "abcd", "body: has 4 characters; at most 3 are allowed"},
		{"application/octet-stream", "abcd", ""},
		{"application/xml", "<a/>", "header Content-Type: is none of application/json, application/x-www-form-urlencoded, multipart/form-data, text/*, application/octet-stream"},
		{"", "x", "header Content-Type: is none of application/json, application/x-www-form-urlencoded, multipart/form-data, text/*, application/octet-stream"},
	} {
		wrong, _ := c.Body(x.kind, []byte(x.body), contract.Strictness{})
		if got := strings.Join(texts(wrong), "; "); got != x.wrong {
			t.Errorf("%s %q:\n got %q\nwant %q", x.kind, x.body, got, x.wrong)
		}
	}
}
