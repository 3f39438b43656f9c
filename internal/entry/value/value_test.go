package value_test

import (
	"reflect"
	"strings"
	"testing"

	"portico/internal/entry/value"
)

func TestTextsAreRead(t *testing.T) {
	for source, want := range map[string][]value.Part{
		"":                              nil,
		"plain $1 } {":                  {{Of: value.Literal, Text: "plain $1 } {"}},
		"${request.id}":                 {{Of: value.RequestID}},
		"a${param.id}b${query.x.y}":     {{Of: value.Literal, Text: "a"}, {Of: value.Param, Text: "id"}, {Of: value.Literal, Text: "b"}, {Of: value.Query, Text: "x.y"}},
		"$${request.id}${header.X-A}$$": {{Of: value.Literal, Text: "${request.id}"}, {Of: value.Header, Text: "X-A"}, {Of: value.Literal, Text: "$$"}},
	} {
		got, err := value.Parse(source)
		if err != nil || !reflect.DeepEqual(got.Parts, want) {
			t.Errorf("%q: got %v, %v, want %v", source, got.Parts, err, want)
		}
	}
}

func TestTextsThatCannotBeFilledInAreRefused(t *testing.T) {
	for _, source := range []string{
		"${", "${request.id", "${}", "${request}", "${request.body}", "${param.}", "${env.HOME}", "${ request.id }", "a\r\nb", "a\x00", "\x7f",
		strings.Repeat("a", value.MaxBytes+1), strings.Repeat("${request.id}", value.MaxPlaces+1), "${${request.id}}",
	} {
		if got, err := value.Parse(source); err == nil {
			t.Errorf("%q: got %v", source, got.Parts)
		}
	}
}

// write writes a part as somebody would.
func write(p value.Part) string {
	names := map[value.Of]string{
		value.RequestID: "request.id", value.Method: "request.method", value.Host: "request.host", value.Path: "request.path", value.Client: "client.address",
		value.Application: "caller.application", value.ApplicationID: "caller.application_id", value.Plan: "caller.plan", value.API: "api.name", value.Operation: "api.operation",
		value.Param: "param." + p.Text, value.Header: "header." + p.Text, value.Query: "query." + p.Text,
	}
	if p.Of == value.Literal {
		return strings.ReplaceAll(p.Text, "${", "$${")
	}
	return "${" + names[p.Of] + "}"
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a${param.id}$${b}", "$$${request.id}$", "${header.a}${query.${}", "${caller.plan}$${", "${request.path"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		v, err := value.Parse(source)
		if err != nil {
			return
		}
		if len(v.Parts) > 2*value.MaxPlaces+1 {
			t.Fatalf("%q has %d parts", source, len(v.Parts))
		}
		if !strings.Contains(source, "${") && (len(v.Parts) > 1 || len(v.Parts) == 1 && v.Parts[0].Text != source) {
			t.Fatalf("%q became %v", source, v.Parts)
		}
		var written strings.Builder
		for _, p := range v.Parts {
			written.WriteString(write(p))
		}
		if again, err := value.Parse(written.String()); err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%q, written as %q, is read as %v, %v", source, written.String(), again.Parts, err)
		}
	})
}
