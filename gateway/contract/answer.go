package contract

import (
	"strconv"

	"portico/internal/entry/schema"
)

// ChecksAnswer reports whether an answer's body is looked at.
func (c *Contract) ChecksAnswer(status int, contentType string) bool {
	a := c.describes(status)
	return a != nil && pick(a.content, contentType).looks(contentType)
}

// AnswerHead holds an answer's status, headers and media type to the contract.
// bare says that it has no body.
func (c *Contract) AnswerHead(status int, contentType string, bare bool, header func(string) (string, bool)) []Wrong {
	var out found
	a := c.describes(status)
	if a == nil {
		out.add("status", "", "", strconv.Itoa(status)+" is none that the document describes")
		return out
	}
	for i := range a.headers {
		p := &a.headers[i]
		raw, there := header(p.Name)
		if !there {
			if p.Required {
				out.add("header", p.Name, "", "is missing")
			}
			continue
		}
		v, ok := schema.Value(nil), true
		if p.Type != "" {
			v, ok = encoded(p.Type, raw)
		} else {
			v = p.single(raw)
		}
		if !ok {
			out.add("header", p.Name, "", "is no "+p.Type)
			continue
		}
		out.check("header", p.Name, p.schema, v, schema.Options{Direction: schema.Answer})
	}
	if !bare && len(a.content) > 0 && pick(a.content, contentType) == nil {
		out.add("header", "Content-Type", "", "is none of "+mediaTypes(a.content))
	}
	return out
}

// AnswerBody holds an answer's body to the contract.
func (c *Contract) AnswerBody(status int, contentType string, data []byte, how Strictness) []Wrong {
	a := c.describes(status)
	if a == nil {
		return nil
	}
	described := pick(a.content, contentType)
	if described == nil {
		return nil
	}
	var out found
	described.check(&out, contentType, data, schema.Options{Direction: schema.Answer, Strict: how.Directed})
	return out
}
