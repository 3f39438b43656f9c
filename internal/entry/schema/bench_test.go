package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/internal/entry/schema"
)

// order is a body of about 1 KB, and its schema.
func order() (definitions, raw, body string) {
	definitions = `{"Line":{"type":"object","required":["sku","count","price"],"additionalProperties":false,"properties":{
		"sku":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"},"count":{"type":"integer","minimum":1,"maximum":1000},"price":{"type":"number","minimum":0},
		"note":{"type":["string","null"],"maxLength":100},"gift":{"type":"boolean"}}},
		"Address":{"type":"object","required":["street","city"],"properties":{"street":{"type":"string","minLength":1},"city":{"type":"string"},"country":{"enum":["DE","FR","SE"]}}}}`
	raw = `{"type":"object","required":["id","customer","lines"],"properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},
		"customer":{"type":"object","required":["name","mail"],"properties":{"name":{"type":"string"},"mail":{"type":"string","format":"email"},"address":{"$ref":"#/$defs/Address"}}},
		"lines":{"type":"array","minItems":1,"maxItems":100,"items":{"$ref":"#/$defs/Line"}}}}`
	lines := make([]string, 10)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku": "ABC-%04d", "count": %d, "price": %d.95, "note": null, "gift": true}`, i, i+1, 10+i)
	}
	body = `{"id": "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "at": "2026-01-15T09:30:00Z", "customer": {"name": "Ada Lovelace", "mail": "ada@example.com",
		"address": {"street": "12 St James's Square", "city": "London", "country": "FR"}}, "lines": [` + strings.Join(lines, ", ") + `]}`
	return definitions, raw, body
}

// BenchmarkValidate reads and checks a body of 1 KB.
func BenchmarkValidate(b *testing.B) {
	definitions, raw, body := order()
	s := inSet(b, definitions, raw)
	text := []byte(body)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := schema.Parse(text, schema.DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		if wrong := s.Check(v, schema.Options{Direction: schema.Request}); len(wrong) > 0 {
			b.Fatal(said(wrong))
		}
	}
}
