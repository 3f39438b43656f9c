package console

import (
	"net/http"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// environmentHome is where the policies of an environment are set.
func (h *Console) environmentHome(v *visit, env apim.Environment) policyHome {
	at := v.links.editEnvironment(env.Slug) + "/policies"
	return policyHome{
		Place: ofEnvironment, List: env.Settings.Policies, Problem: "policies", Lock: lockText(env.Lock), Fixed: !v.actor.Operator,
		For: "every API of " + env.Name, At: at, Do: at, Add: v.links.editEnvironment(env.Slug) + "/add-policy",
		Crumbs: []link{{"Settings", v.links.settings()}, {env.Name, v.links.editEnvironment(env.Slug)}, {"Policies", at}},
		Show: func(status int, typed form) error {
			return h.environmentPoliciesPage(v, status, env, typed)
		},
		Keep: func(list []apim.Policy, lock int64) (apim.Change, error) {
			settings := env.Settings
			settings.Policies = list
			_, change, err := h.Fleet.UpdateEnvironment(v.ctx(), v.actor, env.Slug, manager.EnvironmentChange{Settings: &settings, Lock: lock})
			return change, err
		},
	}
}

// environmentPoliciesPage is the policies that every API of an environment has.
type environmentPoliciesPage struct {
	shell
	Heading string
	Steps   []stepView
	Policy  *policyPanel
	Add     string
	Mover   string // lock of the list
	Live    liveView
}

func (h *Console) environmentPolicies(v *visit) error {
	home, _, err := h.homeOf(v)
	if err != nil {
		return err
	}
	return home.Show(http.StatusOK, form{})
}

func (h *Console) environmentPoliciesPage(v *visit, status int, env apim.Environment, typed form) error {
	home := h.environmentHome(v, env)
	p := environmentPoliciesPage{Heading: "Policies of " + env.Name, Add: home.Add, Mover: home.Lock, Live: h.liveFromQuery(v, "The change", "in force")}
	for _, stage := range entry.Stages() {
		for i, one := range env.Settings.Policies {
			about, _ := describe.Of(entry.PolicyKind(one.Kind))
			if key := (policyRef{ofEnvironment, i}).String(); stageOf(one) == stage {
				p.Steps = append(p.Steps, stepView{
					Key: key, Title: policyTitle(one), Text: policySummary(about.Fields, one.Config), Note: string(stage), Off: one.Off, Href: home.open(key),
					Move: home.do(key, "place"), Among: "e " + string(stage),
				})
			}
		}
	}
	asked := v.policyAsked()
	if number := openStep(p.Steps, asked); number > 0 {
		ref, _ := refOf(asked)
		p.Policy = v.policyPanel(home, ref.at, number, typed)
	} else if asked == newPolicy {
		p.Policy = v.newPolicy(home, typed)
	}
	p.shell = v.shell(p.Heading, home.Crumbs...)
	return v.render(status, environmentPoliciesView(p))
}
