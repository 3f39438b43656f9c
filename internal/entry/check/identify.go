package check

import (
	"fmt"
	"slices"
	"strings"

	"portico/internal/entry"
)

// identifies checks a list's identify policies beside one another, and reports
// whether there are any. Each reads places of its own, so that what stands there
// is one policy's to decide; Authorization: Bearer alone may be shared by keys
// and tokens, which are told apart by their form.
func (p *problems) identifies(field string, list []entry.Policy) bool {
	taken := map[string]entry.PolicyKind{}
	count, anonymous := 0, -1
	for i, pol := range list {
		if pol.Kind().Stage() != entry.Identify {
			continue
		}
		at := fmt.Sprintf("%s[%d]", field, i)
		count++
		if anonymous >= 0 {
			p.add(fmt.Sprintf("%s[%d]", field, anonymous), "lets everybody through and has to be the last of the identify policies")
			anonymous = -1
		}
		if pol.Kind() == entry.PolicyAnonymous {
			anonymous = i
			if count == 1 {
				p.add(at, "is not behind another identify policy: say that the operation is public instead")
			}
		}
		for _, place := range places(pol.Config) {
			by, is := taken[place]
			if is && (by == pol.Kind() || place != bearer || by == entry.PolicyIntrospection || pol.Kind() == entry.PolicyIntrospection) {
				p.add(at, "reads credentials from %s, as another identify policy of its list does", place)
			}
			taken[place] = pol.Kind()
		}
	}
	return count > 0
}

const bearer = "Authorization: Bearer"

// places returns where a policy reads credentials.
func places(config entry.PolicyConfig) (out []string) {
	switch c := config.(type) {
	case *entry.KeyPolicy:
		if c.Bearer {
			out = append(out, bearer)
		}
		if c.Header != "" {
			out = append(out, "the header "+strings.ToLower(c.Header))
		}
		if c.Query != "" {
			out = append(out, "the query parameter "+c.Query)
		}
	case *entry.JWTPolicy:
		out = append(out, placeOfToken(c.In, c.Name))
	case *entry.IntrospectionPolicy: // shares its place with no other: a token of any form may be for it
		out = append(out, placeOfToken(c.In, c.Name))
	case *entry.BasicPolicy:
		out = append(out, "Authorization: Basic")
	case *entry.ClientCertificatePolicy:
		out = append(out, "the connection")
	case *entry.SignaturePolicy:
		if c.Form == "simple" {
			return append(out, "the header x-signature", "the header x-timestamp", "the header x-key-id")
		}
		out = append(out, "the header signature", "the header signature-input")
	}
	return out
}

func placeOfToken(in, name string) string {
	switch in {
	case "header":
		return "the header " + strings.ToLower(name)
	case "cookie":
		return "the cookie " + name
	}
	return bearer
}

// needsCaller reports whether one of the policies asks who calls.
func needsCaller(list []entry.Policy) bool {
	return slices.ContainsFunc(list, func(p entry.Policy) bool { return p.Kind() == entry.PolicyScopes })
}
