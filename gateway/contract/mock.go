package contract

import (
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// Wish is what a caller prefers of a mock's answer. Zero fields are no wish.
type Wish struct {
	Status  int
	Example string // its name
	Accept  string // the header
}

// Mocked is an answer that was found for a wish.
type Mocked struct {
	Status  int
	Type    string // media type; "" for no body
	Body    string
	Headers []entry.ContractParameter // with their samples
	// StatusMet and ExampleMet say which wishes were met.
	StatusMet, ExampleMet bool
}

// Mock finds an answer. otherwise is the status without a wish, 0 for the first
// success that is described. acceptable is false where the caller takes none of
// the media types.
func (c *Contract) Mock(wish Wish, otherwise int) (out Mocked, acceptable bool) {
	a := (*answer)(nil)
	if wish.Status != 0 {
		if a = c.describes(wish.Status); a != nil {
			out.Status, out.StatusMet = wish.Status, true
		}
	}
	if a == nil {
		a, out.Status = c.usual(otherwise)
	}
	if wish.Example != "" && !a.has(wish.Example) && wish.Status == 0 { // it may belong to another status
		for i := range c.answers {
			if c.answers[i].has(wish.Example) {
				a, out.Status = &c.answers[i], statusOf(c.answers[i].status, out.Status)
				break
			}
		}
	}
	if a == nil {
		return out, true
	}
	for _, h := range a.headers {
		if h.Sample != "" {
			out.Headers = append(out.Headers, h.ContractParameter)
		}
	}
	if len(a.content) == 0 || out.Status == 204 || out.Status == 304 || out.Status < 200 {
		return out, true
	}
	best, quality := (*content)(nil), 0
	for i := range a.content {
		one := &a.content[i]
		if q := accepts(wish.Accept, one.mediaType); len(one.examples) > 0 && q > quality {
			best, quality = one, q
		}
	}
	if best == nil {
		return out, !slices.ContainsFunc(a.content, func(c content) bool { return len(c.examples) > 0 })
	}
	example := best.examples[0]
	for _, x := range best.examples {
		if wish.Example != "" && x.Name == wish.Example {
			example, out.ExampleMet = x, true
		}
	}
	if out.Type, out.Body = best.mediaType, example.Body; strings.Contains(out.Type, "*") {
		out.Type = "application/json"
	}
	return out, true
}

func (a *answer) has(example string) bool {
	return a != nil && slices.ContainsFunc(a.content, func(c content) bool {
		return slices.ContainsFunc(c.examples, func(x entry.ContractExample) bool { return x.Name == example })
	})
}

// usual is the answer without a wish.
func (c *Contract) usual(status int) (*answer, int) {
	if status != 0 {
		return c.describes(status), status
	}
	for i := range c.answers {
		if s := c.answers[i].status; s[0] == '2' {
			return &c.answers[i], statusOf(s, 200)
		}
	}
	for i := range c.answers {
		if c.answers[i].status == "default" {
			return &c.answers[i], 200
		}
	}
	if len(c.answers) > 0 {
		return &c.answers[0], statusOf(c.answers[0].status, 200)
	}
	return nil, 200
}

// statusOf is a status that "200", "4XX" or "default" stands for.
func statusOf(text string, otherwise int) int {
	if n, err := strconv.Atoi(strings.Replace(text, "XX", "00", 1)); err == nil && n >= 200 && n <= 599 {
		return n
	}
	return otherwise
}

// accepts is how much a caller wants a media type, 0 not at all, up to 1000. The
// most specific range that fits counts.
func accepts(accept, mediaType string) int {
	if strings.TrimSpace(accept) == "" {
		return 1000
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	quality, fit := 0, 0
	for part := range strings.SplitSeq(accept, ",") {
		wanted := baseType(part)
		specific := 0
		switch {
		case wanted == mediaType || strings.Contains(mediaType, "*") && wanted == "application/json":
			specific = 3
		case wanted == kind+"/*":
			specific = 2
		case wanted == "*/*" || wanted == "*":
			specific = 1
		}
		if specific > fit {
			fit, quality = specific, qualityOf(part)
		}
	}
	return quality
}

func qualityOf(part string) int {
	_, params, _ := strings.Cut(part, ";")
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || q < 0 || q > 1 {
				return 0
			}
			return int(q * 1000)
		}
	}
	return 1000
}
