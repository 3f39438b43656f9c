package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/value"
)

// maxEdits is the most that one list of changes may hold.
const maxEdits = 32

func (p *problems) headersPolicy(at string, h entry.HeadersPolicy) {
	p.edits(at, h.Set, h.Add, h.Rename, h.Remove, headerName)
}

func (p *problems) answerHeadersPolicy(at string, h entry.AnswerHeadersPolicy) {
	p.edits(at, h.Set, h.Add, h.Rename, h.Remove, answerHeaderName)
	if _, err := Statuses(h.Statuses); err != nil {
		p.addErr(at+".statuses", err)
	}
}

// headerName returns a header's name as names are compared.
func headerName(name string) (string, error) {
	folded := strings.ToLower(name)
	switch {
	case !isToken(name) || strings.Contains(name, "*"):
		return folded, fmt.Errorf("%q is not a header's name", name)
	case reservedHeader(folded), folded == "proxy-authenticate", folded == "proxy-authorization":
		return folded, fmt.Errorf("%s belongs to the connection or is the gateway's own, and cannot be changed", name)
	}
	return folded, nil
}

// answerHeaderName is headerName for answers, of which the gateway writes some
// headers last.
func answerHeaderName(name string) (string, error) {
	folded, err := headerName(name)
	switch folded {
	case "ratelimit", "ratelimit-policy":
		err = fmt.Errorf("%s is the gateway's own, and cannot be changed", name)
	case "grpc-status", "grpc-message":
		err = fmt.Errorf("%s says how a call by gRPC went, and cannot be changed", name)
	}
	return folded, err
}

// edits checks lists of changes, by what names them.
func (p *problems) edits(at string, set, add []entry.NamedValue, rename []entry.Renaming, remove []string, fold func(string) (string, error)) {
	if len(set)+len(add)+len(rename)+len(remove) == 0 {
		p.add(at, "changes nothing; set, add, rename or remove something")
	}
	for field, n := range map[string]int{".set": len(set), ".add": len(add), ".rename": len(rename), ".remove": len(remove)} {
		p.count(at+field, n, 0, maxEdits)
	}
	seen := map[string]string{} // the list by the name
	made := map[string]bool{}   // names that there will be
	name := func(field, list, name string, again bool) {
		folded, err := fold(name)
		if err != nil {
			p.addErr(field, err)
			return
		}
		if other, ok := seen[folded]; ok && (!again || other != list) {
			p.add(field, "%s is changed in %s already", name, other)
		}
		seen[folded] = list
	}
	values := func(list string, values []entry.NamedValue, again bool) {
		for i, v := range values {
			field := fmt.Sprintf("%s.%s[%d]", at, list, i)
			name(field+".name", list, v.Name, again)
			made[v.Name] = true
			if v.Value == "" {
				p.add(field+".value", "is empty; to leave something out, name it in remove")
			}
			_, err := value.Parse(v.Value)
			p.addErr(field+".value", err)
		}
	}
	values("set", set, false)
	values("add", add, true)
	for i, r := range rename {
		field := fmt.Sprintf("%s.rename[%d]", at, i)
		name(field+".from", "rename", r.From, false)
		name(field+".to", "rename", r.To, false)
		made[r.To] = true
	}
	for i, r := range remove {
		field := fmt.Sprintf("%s.remove[%d]", at, i)
		if before, open := strings.CutSuffix(r, "*"); open {
			start, err := fold(before)
			if err != nil {
				p.addErr(field, err)
				continue
			}
			for other := range made {
				if folded, _ := fold(other); strings.HasPrefix(folded, start) {
					p.add(field, "%s would take away what this policy makes itself", r)
					break
				}
			}
			continue
		}
		name(field, "remove", r, false)
	}
}
