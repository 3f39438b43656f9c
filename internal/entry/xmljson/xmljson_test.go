package xmljson_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/internal/entry/tree"
	"portico/internal/entry/xmljson"
)

func TestXMLBecomesJSONByTheConvention(t *testing.T) {
	for _, c := range []struct {
		name, root string
		arrays     []string
		xml, json  string
	}{
		{"text alone", "", nil, `<a>x</a>`, `{"a":"x"}`},
		{"nothing", "", nil, `<a/>`, `{"a":""}`},
		{"attributes and text", "", nil, `<a n="1">x</a>`, `{"a":{"#text":"x","@n":"1"}}`},
		{"children", "", nil, "<?xml version=\"1.0\"?>\n<a>\n <b>1</b>\n <b>2</b><c/>\n</a>\n", `{"a":{"b":["1","2"],"c":""}}`},
		{"mixed", "", nil, `<a>x<b/>y</a>`, `{"a":{"#text":"xy","b":""}}`},
		{"a list of one", "", []string{"a/b", "x/y"}, `<a><b>1</b></a>`, `{"a":{"b":["1"]}}`},
		{"namespaces", "", nil, `<s:E xmlns:s="urn:s" xmlns="urn:d"><s:B s:id="1"/></s:E>`, `{"s:E":{"@xmlns":"urn:d","@xmlns:s":"urn:s","s:B":{"@s:id":"1"}}}`},
		{"its root left out", "a", nil, `<a><b>1</b></a>`, `{"b":"1"}`},
		{"another root", "a", nil, `<fault><b>1</b></fault>`, `{"fault":{"b":"1"}}`},
		{"CDATA, comment, entities", "", nil, `<a><!-- x --><![CDATA[<&]]>&lt;&#x41;</a>`, `{"a":"<&<A"}`},
		{"white space of a leaf", "", nil, `<a><b> </b></a>`, `{"a":{"b":" "}}`},
		{"latin", "", nil, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caf\xe9 \xe9\xe9</a>", `{"a":"café éé"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := xmljson.New(c.root, c.arrays).JSON([]byte(c.xml), 10_000)
			if err != nil || string(got) != c.json {
				t.Errorf("got %s, %v, want %s", got, err, c.json)
			}
		})
	}
}

func TestJSONBecomesXMLInItsOrder(t *testing.T) {
	for _, c := range []struct{ name, root, json, xml string }{
		{"order", "", `{"z":{"b":1.50,"@q":"\"<","a":[true,null,{"@x":2}],"#text":"t"}}`, `<z q="&#34;&lt;"><b>1.50</b><a>true</a><a></a><a x="2"></a>t</z>`},
		{"a root given", "order", `{"id":7}`, `<order><id>7</id></order>`},
		{"a text under a root given", "order", `"x"`, `<order>x</order>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := xmljson.New(c.root, nil).XML([]byte(c.json), 10_000)
			if want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + c.xml; err != nil || string(got) != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

func TestXMLThatCannotBeReadIsRefused(t *testing.T) {
	lol := `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><lolz>&lol2;</lolz>`
	attributes := ""
	for i := range 200 {
		attributes += " a" + strings.Repeat("b", i) + `="1"`
	}
	for name, doc := range map[string]string{
		"billion laughs":    lol,
		"a file":            `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`,
		"a DTD elsewhere":   `<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>`,
		"unknown entity":    `<a>&x;</a>`,
		"deep":              strings.Repeat("<a>", 100_000),
		"deep and closed":   strings.Repeat("<a>", 49) + strings.Repeat("</a>", 49),
		"many":              "<a>" + strings.Repeat("<b/>", 100_001) + "</a>",
		"attributes":        "<a" + attributes + "/>",
		"attribute twice":   `<a x="1" x="2"/>`,
		"not closed":        `<a><b></b>`,
		"closed crosswise":  `<a><b></a></b>`,
		"another's prefix":  `<x:a></y:a>`,
		"two roots":         `<a/><b/>`,
		"text outside":      `<a/>x`,
		"nothing":           ``,
		"JSON":              `{"a":1}`,
		"another charset":   `<?xml version="1.0" encoding="UTF-7"?><a/>`,
		"a control":         "<a>\x01</a>",
		"not UTF-8":         "<a>\xff\xfe</a>",
		"larger than asked": "<a>" + strings.Repeat("x", 20_000) + "</a>",
	} {
		if got, err := xmljson.New("", nil).JSON([]byte(doc), 10_000); err == nil {
			t.Errorf("%s: got %.100s", name, got)
		}
	}
}

func TestJSONThatXMLCannotSayIsRefused(t *testing.T) {
	for name, doc := range map[string]string{
		"no JSON":           `{"a":`,
		"two values":        `{"a":1} {}`,
		"two roots":         `{"a":1,"b":2}`,
		"a list as root":    `{"a":[1]}`,
		"a list of lists":   `{"a":{"b":[[1]]}}`,
		"a name":            `{"a b":1}`,
		"markup in a name":  `{"a><b":1}`,
		"an attribute":      `{"a":{"@x y":1}}`,
		"attribute's value": `{"a":{"@x":{}}}`,
		"text's value":      `{"a":{"#text":[]}}`,
		"a control":         `{"a":"\u0001"}`,
		"twice":             `{"a":{"b":1,"b":2}}`,
		"deep":              strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
		"larger than asked": `{"a":"` + strings.Repeat("x", 20_000) + `"}`,
	} {
		if got, err := xmljson.New("", nil).XML([]byte(doc), 10_000); err == nil {
			t.Errorf("%s: got %.100s", name, got)
		}
	}
}

// TestThereAndBackIsTheSame draws documents of the convention's domain.
func TestThereAndBackIsTheSame(t *testing.T) {
	name := rapid.StringMatching(`[a-zA-Z_é][a-zA-Z0-9_.-]{0,6}(:[a-z][a-z0-9]{0,3})?`)
	text := rapid.StringMatching(`[ -~\n\t\r&<>"'äß€😀]{0,12}`)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			if depth == 0 || rapid.Bool().Draw(t, "leaf") {
				return text.Draw(t, "text")
			}
			o := map[string]any{}
			for range rapid.IntRange(0, 3).Draw(t, "attributes") {
				o["@"+name.Draw(t, "attribute")] = text.Draw(t, "value")
			}
			children := rapid.IntRange(0, 3).Draw(t, "children")
			for range children {
				child := name.Draw(t, "child")
				if n := rapid.IntRange(1, 3).Draw(t, "n"); n == 1 {
					o[child] = value(depth-1).Draw(t, "one")
				} else {
					list := make([]any, n)
					for i := range list {
						list[i] = value(depth-1).Draw(t, "of several")
					}
					o[child] = list
				}
			}
			if len(o) == 0 {
				return text.Draw(t, "text")
			}
			if s := text.Draw(t, "beside"); strings.TrimSpace(s) != "" {
				o["#text"] = s
			}
			return o
		})
	}
	convention := xmljson.New("", nil)
	rapid.Check(t, func(t *rapid.T) {
		doc, err := tree.Append(nil, map[string]any{name.Draw(t, "root"): value(4).Draw(t, "value")}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		there, err := convention.XML(doc, 1<<22)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		back, err := convention.JSON(there, 1<<22)
		if err != nil || string(back) != string(doc) {
			t.Fatalf("got %s, %v, want %s, by %s", back, err, doc, there)
		}
	})
}

func FuzzXMLIsReadWithinBounds(f *testing.F) {
	f.Add([]byte(`<a x="1"><b>1</b><b/>t</a>`))
	f.Add([]byte(`<s:E xmlns:s="u"><![CDATA[x]]></s:E>`))
	convention := xmljson.New("", []string{"a/b"})
	f.Fuzz(func(t *testing.T, document []byte) {
		doc, err := convention.JSON(document, 1<<20)
		if err != nil {
			return
		}
		there, err := convention.XML(doc, 1<<22)
		if err != nil {
			return // names that we do not write
		}
		if back, err := convention.JSON(there, 1<<22); err != nil || string(back) != string(doc) {
			t.Errorf("%q: got %s, %v, want %s", document, back, err, doc)
		}
	})
}
