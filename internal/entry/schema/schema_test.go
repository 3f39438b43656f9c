package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/internal/entry/schema"
)

func inSet(t testing.TB, definitions, raw string) *schema.Schema {
	t.Helper()
	set, err := schema.NewSet([]byte(definitions))
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Compile([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func said(list []schema.Error) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Pointer+" "+e.Reason)
	}
	return strings.Join(out, "; ")
}

// TestReasonsNameThePlace is what callers read.
func TestReasonsNameThePlace(t *testing.T) {
	const animals = `{
		"Cat": {"type":"object","properties":{"kind":{"type":"string"},"lives":{"type":"integer"}}},
		"Dog": {"type":"object","required":["bark"],"properties":{"bark":{"type":"boolean"}}},
		"Pet": {"oneOf":[{"$ref":"#/$defs/Cat"},{"$ref":"#/$defs/Dog"}],"discriminator":{"propertyName":"kind","mapping":{"cat":"#/$defs/Cat","dog":"#/$defs/Dog"}}}}`
	for _, c := range []struct{ schema, value, want string }{
		{`{"$ref":"#/$defs/Pet"}`, `{"kind":"cat","lives":9}`, ""},
		{`{"$ref":"#/$defs/Pet"}`, `{"kind":"cat","lives":"x"}`, "/lives is a string, not integer"},
		{`{"$ref":"#/$defs/Pet"}`, `{"kind":"dog"}`, "/bark is missing"},
		{`{"$ref":"#/$defs/Pet"}`, `{"kind":"cow"}`, "/kind is none of the kinds that are known"},
		{`{"$ref":"#/$defs/Pet"}`, `{}`, "/kind is missing"},
		{`{"type":["string","null"],"maxLength":2}`, `"éé"`, ""},
		{`{"anyOf":[{"type":"null"},{"$ref":"#/$defs/Dog"}]}`, `{"bark":1}`, "/bark is a number, not boolean"},
		{`{"anyOf":[{"$ref":"#/$defs/Cat"},{"$ref":"#/$defs/Dog"}]}`, `{"lives":"x"}`, " matches none of the 2 alternatives"},
		{`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, `1`, " matches more than one of the 2 alternatives"},
		{`{"properties":{"a/b~c":{"items":{"multipleOf":0.01}}}}`, `{"a/b~c":[1.01,1.011]}`, "/a~1b~0c/1 is no multiple of 0.01"},
		{`{"propertyNames":{"pattern":"^[a-z]+$"}}`, `{"A":1}`, "/A its name does not match the pattern ^[a-z]+$"},
		{`{"uniqueItems":true}`, `[1,{"a":1,"b":2},1.0]`, " holds the same twice, at 0 and 2"},
		{`{"const":{"a":[1]}}`, `{"a":[1.0]}`, ""},
		{`{"minimum":9007199254740993}`, `9007199254740992`, " is less than 9007199254740993"},
		{`{"type":"integer","format":"int32"}`, `2147483648`, " does not fit into int32"},
		{`{"not":{"type":"string"}}`, `"a"`, " is of a kind that is not allowed"},
		{`false`, `1`, " is not allowed"},
	} {
		if got := said(inSet(t, animals, c.schema).Check(parsed(t, []byte(c.value)), schema.Options{})); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.value, c.schema, got, c.want)
		}
	}
}

// TestDirectionDecides: what is read-only need not be sent, and what is write-only
// need not come back.
func TestDirectionDecides(t *testing.T) {
	s := inSet(t, `{"Id":{"type":"string","readOnly":true}}`,
		`{"allOf":[{"required":["secret"],"properties":{"secret":{"type":"string","writeOnly":true}}}],"required":["id"],"properties":{"id":{"$ref":"#/$defs/Id"}}}`)
	for _, c := range []struct {
		value string
		how   schema.Options
		want  string
	}{
		{`{}`, schema.Options{}, "/id is missing; /secret is missing"},
		{`{"secret":"s"}`, schema.Options{Direction: schema.Request}, ""},
		{`{}`, schema.Options{Direction: schema.Request}, "/secret is missing"},
		{`{"id":"1"}`, schema.Options{Direction: schema.Answer}, ""},
		{`{"id":"1","secret":"s"}`, schema.Options{Direction: schema.Request}, ""},
		{`{"id":"1","secret":"s"}`, schema.Options{Direction: schema.Request, Strict: true}, "/id is read-only and cannot be sent"},
		{`{"id":"1","secret":"s"}`, schema.Options{Direction: schema.Answer, Strict: true}, "/secret is write-only and must not be shown"},
	} {
		if got := said(s.Check(parsed(t, []byte(c.value)), c.how)); got != c.want {
			t.Errorf("%s, %+v: got %q, want %q", c.value, c.how, got, c.want)
		}
	}
}

// TestFormatsHold in a set; elsewhere they are remarks.
func TestFormatsHold(t *testing.T) {
	for format, c := range map[string]struct{ good, bad []string }{
		"date-time":             {[]string{"2026-01-15T09:30:00Z", "1998-12-31T23:59:60Z", "1998-12-31T15:59:60.123-08:00", "2026-01-15t09:30:00.1z"}, []string{"2026-01-15", "2026-02-30T00:00:00Z", "1998-12-31T22:59:60Z", "2026-01-15 09:30:00Z", "2026-01-15T24:00:00Z", "2026-01-15T09:30:00"}},
		"date":                  {[]string{"2024-02-29"}, []string{"2023-02-29", "2023-2-2", "20230202"}},
		"time":                  {[]string{"09:30:00Z", "09:30:00.5+01:00"}, []string{"09:30:00", "25:00:00Z", "09:30:00+1:00", "09:30:00.Z"}},
		"duration":              {[]string{"P1D", "PT15M", "P1Y2M3DT4H5M6S", "P2W"}, []string{"P", "PT", "1D", "P1DT", "P1S"}},
		"uuid":                  {[]string{"0190b1a2-7c3d-7e4f-8a5b-6C7D8E9F0A1B"}, []string{"0190b1a27c3d7e4f8a5b6c7d8e9f0a1b", "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1g"}},
		"email":                 {[]string{"ada@example.com", "a+b@example.com"}, []string{"ada", "Ada <ada@example.com>", "@example.com", "ä@example.com", "ada@", "a@b@c.com", "a..b@c.com", "\"a@c.com", "\"a\"b\"@c.com", "ada@[::1]", "ada@[1.2.3]"}},
		"idn-email":             {[]string{"ädä@exämple.com", `"a\"b"@example.com`}, []string{"ä", "ä@\u302e.com", "a\xffb@c.com"}},
		"idn-hostname":          {[]string{"exämple.com", "xn--exmple-cua.com", "Example.COM", "l·l.cat"}, []string{"", ".", "a..b", "a.", "exa mple.com", "a/b", "xn--", "xn--a", "ab--c.com", strings.Repeat("ä", 60), strings.Repeat("aä.", 60) + "a"}},
		"uri-template":          {[]string{"", "/a{?b,c*}{/d:3}", "{+a.b}", "%20"}, []string{"{", "{}", "}", "{a b}", "{a:0}", "{a:10000}", "a b", "%2", "{a,}"}},
		"hostname":              {[]string{"example.com", "a-b.c"}, []string{"-a.com", "a..b", "a_b", strings.Repeat("a", 64)}},
		"ipv4":                  {[]string{"192.0.2.1"}, []string{"192.0.2", "192.0.2.256", "::1", "192.0.02.1"}},
		"ipv6":                  {[]string{"2001:db8::1", "::ffff:1.2.3.4"}, []string{"1.2.3.4", "2001:db8::1%eth0", ":::"}},
		"uri":                   {[]string{"https://example.com/a?b#c", "urn:a:b"}, []string{"/a", "https://exa mple.com", "http://example.com/<a>", "https://exämple.com"}},
		"uri-reference":         {[]string{"/a", "#a", ""}, []string{"\\a", "a b"}},
		"json-pointer":          {[]string{"", "/a/b~1c"}, []string{"a", "/~2", "/a~"}},
		"relative-json-pointer": {[]string{"0", "1/a", "2#"}, []string{"/a", "01/a", "-1"}},
		"regex":                 {[]string{"^a+$", `\d\.`, `\/`, `[\w\-]`, "(?=a)b(?<!c)", `(?<y>a)\k<y>\1`, `[^\s\S]`}, []string{"(", "(?=a", `\a`, `\`, `[\`, `\k`, `(?P<y>a)`, "(?", strings.Repeat("a", 9<<10)}},
		"byte":                  {[]string{"aGVsbG8=", ""}, []string{"a", "%%"}},
		"mystery":               {[]string{"anything"}, nil},
	} {
		s := inSet(t, "", fmt.Sprintf(`{"type":"string","format":%q}`, format))
		for _, text := range c.good {
			if got := s.Check(text, schema.Options{}); len(got) > 0 {
				t.Errorf("%s %q: got %s", format, text, said(got))
			}
		}
		for _, text := range c.bad {
			if got := s.Check(text, schema.Options{}); len(got) == 0 {
				t.Errorf("%s %q is accepted", format, text)
			}
		}
	}
}

// TestSchemasThatDoNotCompile are refused with their reason.
func TestSchemasThatDoNotCompile(t *testing.T) {
	for raw, want := range map[string]string{
		`{"type":"text"}`:                  "type is no type",
		`{"pattern":"(?=a)"}`:              "cannot be used",
		`{"pattern":"(a+)\\1"}`:            "cannot be used",
		`{"$ref":"#/$defs/Nobody"}`:        "leads to nothing",
		`{"$ref":"https://example.com/a"}`: "leads to nothing",
		`{"$ref":"file:///etc/passwd"}`:    "leads to nothing",
		`{"required":"a"}`:                 "required is no list",
		`{"minLength":-1}`:                 "minLength is no count",
		`{"multipleOf":0}`:                 "above zero",
		`{"properties":[]}`:                "properties is no object",
		`7`:                                "neither an object",
		`{"type":`:                         "is no JSON",
		`{"pattern":"` + strings.Repeat("a", 5000) + `"}`:                "at most 4096",
		strings.Repeat(`{"not":`, 300) + `{}` + strings.Repeat(`}`, 300): "nested too deeply",
	} {
		set, err := schema.NewSet(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.Compile([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want one that says %q", raw, err, want)
		}
	}
}

// TestNothingTakesLong: what schemas and values together could make of each other
// is bounded by steps.
func TestNothingTakesLong(t *testing.T) {
	nested := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	for name, c := range map[string]struct{ definitions, schema, value string }{
		"alternatives in alternatives": {`{"N":{"anyOf":[{"properties":{"a":{"$ref":"#/$defs/N"}},"required":["b"]},{"properties":{"a":{"$ref":"#/$defs/N"}},"required":["c"]},{"properties":{"a":{"$ref":"#/$defs/N"}},"required":["d"]}]}}`, `{"$ref":"#/$defs/N"}`, nested},
		"a ring of references":         {`{"A":{"$ref":"#/$defs/B"},"B":{"$ref":"#/$defs/A"}}`, `{"$ref":"#/$defs/A"}`, `1`},
		"itself among its parts":       {`{"A":{"allOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/A"}]}}`, `{"$ref":"#/$defs/A"}`, `1`},
		"many patterns, many names":    {``, `{"patternProperties":{` + numbered(500, `"^(a|b|c)*x%d$":{"type":"string"}`) + `}}`, `{` + numbered(20_000, `"`+strings.Repeat("abc", 20)+`%d":1`) + `}`},
		"unique long items":            {``, `{"uniqueItems":true,"items":{"uniqueItems":true}}`, `[` + numbered(30_000, `{"n":%d}`) + `,{"n":1}]`},
		"ways that meet":               {ladder(60), `{"$ref":"#/$defs/L0"}`, `{"b":1}`},
		"a million errors":             {``, `{"items":{"type":"string"}}`, `[` + numbered(150_000, `%d`) + `]`},
	} {
		s := inSet(t, c.definitions, c.schema)
		v := parsed(t, []byte(c.value))
		began := time.Now()
		s.Kinds()
		s.Property("nobody")
		got := s.Check(v, schema.Options{Direction: schema.Request})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if len(got) == 0 || len(got) > 21 {
			t.Errorf("%s: got %d errors", name, len(got))
		}
	}
	for _, bomb := range []string{strings.Repeat("[", 1_000_000), "[" + strings.Repeat("1,", 500_000) + "1]", "1e1001", "1e-1001", strings.Repeat("1", 500), `{"a":1,"a":1}`, `"\ud800"`, "01", "1.", "+1", "nul", `"` + "\x01" + `"`, `[1,]`, `{"a" 1}`, "1 2", ""} {
		if v, err := schema.Parse([]byte(bomb), schema.DefaultLimits()); err == nil {
			t.Errorf("%.20q is read as %v", bomb, v)
		}
	}
}

func numbered(n int, format string) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(out, ",")
}

// TestNumbersAreExact compares as people do on paper, however they are written.
func TestNumbersAreExact(t *testing.T) {
	for _, c := range []struct {
		schema, value string
		fits          bool
	}{
		{`{"minimum":-1.5}`, `-1.50`, true},
		{`{"minimum":-1.5}`, `-1.51`, false},
		{`{"minimum":0}`, `-0.0`, true},
		{`{"exclusiveMinimum":0}`, `0.000000000000000000001`, true},
		{`{"maximum":10}`, `9.99999999999999999999999`, true},
		{`{"maximum":10}`, `10.00000000000000000000001`, false},
		{`{"maximum":100}`, `1e2`, true},
		{`{"maximum":100}`, `1.01E+2`, false},
		{`{"minimum":0.5}`, `0005`, false},
		{`{"multipleOf":0.1}`, `0.3`, true},
		{`{"multipleOf":0.1}`, `-12345678901234567890.05`, false},
		{`{"multipleOf":1e-3}`, `2.001`, true},
		{`{"type":"integer"}`, `1.0`, true},
		{`{"type":"integer"}`, `10e-1`, true},
		{`{"type":"integer"}`, `1e-1`, false},
		{`{"enum":[100]}`, `1.00e2`, true},
		{`{"const":0}`, `-0`, true},
	} {
		v, err := schema.Parse([]byte(c.value), schema.DefaultLimits())
		if fits := err == nil && len(inSet(t, "", c.schema).Check(v, schema.Options{})) == 0; fits != c.fits {
			t.Errorf("%s of %s: got %v, %v", c.value, c.schema, fits, err)
		}
	}
}

// ladder is schemas each of which leads twice to the next, in several ways.
func ladder(rungs int) string {
	out := "{"
	for i := range rungs {
		next := fmt.Sprintf(`{"$ref":"#/$defs/L%d"}`, i+1)
		out += fmt.Sprintf(`"L%d":{"required":["a"],"allOf":[%s,{"allOf":[%s]}],"anyOf":[%s,{"allOf":[%s]}]},`, i, next, next, next, next)
	}
	return out + fmt.Sprintf(`"L%d":{"type":"object"}}`, rungs)
}
