package check

import (
	"fmt"

	"portico/internal/entry"
	"portico/internal/entry/schema"
)

// MaxContractBytes bounds the schemas and examples of a version, all routes
// together.
const MaxContractBytes = 8 << 20

// contracts checks that what the routes are held to compiles.
func (p *problems) contracts(a entry.API) {
	total := len(a.Schemas)
	asked := len(a.Schemas) > 0
	for _, r := range a.Routes {
		asked = asked || r.Contract != nil
	}
	if !asked {
		return
	}
	set, err := schema.NewSet(a.Schemas)
	if err != nil {
		p.add("schemas", "%s", err)
		return
	}
	for i, r := range a.Routes {
		if r.Contract == nil {
			continue
		}
		at := fmt.Sprintf("routes[%d].contract", i)
		total += p.parameters(at+".parameters", r.Contract.Parameters, set)
		total += p.contents(at+".body", r.Contract.Body, set)
		for j, answer := range r.Contract.Answers {
			field := fmt.Sprintf("%s.answers[%d]", at, j)
			if !isStatus(answer.Status) {
				p.add(field+".status", "%q is no status", answer.Status)
			}
			total += p.parameters(field+".headers", answer.Headers, set)
			total += p.contents(field+".content", answer.Content, set)
		}
		if len(p.list) >= maxContractProblems {
			return
		}
	}
	if total > MaxContractBytes {
		p.add("schemas", "take %d bytes with the routes' own; at most %d are allowed", total, MaxContractBytes)
	}
}

// maxContractProblems is enough for a person to see what is the matter.
const maxContractProblems = 100

func isStatus(s string) bool {
	if s == "default" {
		return true
	}
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && (s[1:] == "XX" || s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9')
}

func (p *problems) parameters(field string, list []entry.ContractParameter, set *schema.Set) (bytes int) {
	for i, one := range list {
		bytes += len(one.Name) + len(one.Schema) + len(one.Sample)
		if len(one.Schema) > 0 {
			_, err := set.Compile(one.Schema)
			p.addErr(fmt.Sprintf("%s[%d].schema", field, i), err)
		}
	}
	return bytes
}

func (p *problems) contents(field string, list []entry.ContractContent, set *schema.Set) (bytes int) {
	for i, one := range list {
		bytes += len(one.Type) + len(one.Schema)
		if len(one.Schema) > 0 {
			_, err := set.Compile(one.Schema)
			p.addErr(fmt.Sprintf("%s[%d].schema", field, i), err)
		}
		for _, x := range one.Examples {
			bytes += len(x.Name) + len(x.Body)
		}
	}
	return bytes
}
