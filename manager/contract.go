package manager

import (
	"context"
	"encoding/json"
	"fmt"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/openapi"
)

// contracts adds to a version's entry what its revision's document says of the
// routes whose policies ask for it. A route that the document does not have cannot
// be published with such a policy.
func (u *unit) contracts(ctx context.Context, rev apim.Revision, body *entry.API) error {
	wanted := map[string]openapi.ContractNeeds{}
	for _, r := range body.Routes {
		if needs := entry.NeedsOf(body.Policies, r.Policies); needs != (entry.Needs{}) {
			wanted[r.Operation] = openapi.ContractNeeds(needs)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	t := u.Tenant(rev.Tenant)
	d, err := t.Document(ctx, rev.Document)
	if err != nil {
		return err
	}
	raw, err := t.DocumentBody(ctx, d.Digest)
	if err != nil {
		return err
	}
	doc, err := openapi.Open(ctx, raw, openapi.ScanOptions{})
	if err != nil {
		return notDescribed("the document cannot be read: " + err.Error())
	}
	found, err := doc.Contracts(wanted, check.MaxContractBytes)
	if err != nil {
		return notDescribed(err.Error())
	}
	body.Schemas = found.Schemas
	for i, r := range body.Routes {
		if _, asks := wanted[r.Operation]; !asks {
			continue
		}
		one := found.Operations[r.Operation]
		if one == nil {
			return notDescribed(fmt.Sprintf("the version's document has no operation %s, which is validated or mocked", r.Operation))
		}
		body.Routes[i].Contract = contract(one)
	}
	return nil
}

func notDescribed(why string) error {
	return &apim.Error{
		Kind: apim.Invalid, Code: "not_servable", Message: "gateway nodes could not serve this",
		Fields: []apim.FieldError{{Field: "policies", Code: "not_servable", Detail: why}},
	}
}

// contract is what the document says as it travels.
func contract(c *openapi.Contract) *entry.Contract {
	out := &entry.Contract{Parameters: contractParameters(c.Parameters), Body: contractContents(c.Body), BodyRequired: c.BodyRequired}
	for _, a := range c.Answers {
		out.Answers = append(out.Answers, entry.ContractAnswer{Status: a.Status, Headers: contractParameters(a.Headers), Content: contractContents(a.Content)})
	}
	return out
}

func contractParameters(list []openapi.ContractParameter) []entry.ContractParameter {
	var out []entry.ContractParameter
	for _, p := range list {
		out = append(out, entry.ContractParameter{
			Name: p.Name, In: p.In, Style: p.Style, Explode: p.Explode, Required: p.Required, AllowEmpty: p.AllowEmpty,
			Type: p.Type, Schema: json.RawMessage(p.Schema), Sample: p.Sample,
		})
	}
	return out
}

func contractContents(list []openapi.ContractContent) []entry.ContractContent {
	var out []entry.ContractContent
	for _, c := range list {
		one := entry.ContractContent{Type: c.Type, Schema: json.RawMessage(c.Schema), Fields: contractParameters(c.Fields)}
		for _, x := range c.Examples {
			one.Examples = append(one.Examples, entry.ContractExample(x))
		}
		out = append(out, one)
	}
	return out
}
