package console

import (
	"slices"

	"portico/internal/entry/describe"
)

// chooseSecrets makes fields that hold a secret a choice of the tenant's secret
// values, of any environment: a draft may be published in each. Where there are
// none, or the visitor may not read them, a reference is written.
func (v *visit) chooseSecrets(inputs []policyInput) {
	if v.tenant.ID == "" || !holdsSecret(inputs) {
		return
	}
	var names []string
	for _, env := range v.environments {
		values, err := v.h.Catalog.Values(v.ctx(), v.actor, v.tenant.ID, env.Slug)
		if err != nil {
			return
		}
		for _, one := range values {
			if ref := "${" + one.Name + "}"; one.Secret && !slices.Contains(names, ref) {
				names = append(names, ref)
			}
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		choose(inputs, names)
	}
}

func holdsSecret(inputs []policyInput) bool {
	return slices.ContainsFunc(inputs, func(in policyInput) bool {
		return in.Form == describe.Secret || holdsSecret(in.Inputs) || slices.ContainsFunc(in.Rows, func(row policyRow) bool { return holdsSecret(row.Inputs) })
	})
}

func choose(inputs []policyInput, names []string) {
	for i, in := range inputs {
		if in.Form == describe.Secret {
			one := in.Field
			one.Enum = names
			inputs[i].View.Kind, inputs[i].View.Options = "select", optionsOf(one, in.View.Value)
			inputs[i].View.Hint = one.Help + " Values are made on the environment's page."
		}
		choose(in.Inputs, names)
		for _, row := range in.Rows {
			choose(row.Inputs, names)
		}
	}
}
