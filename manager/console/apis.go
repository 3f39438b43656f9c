package console

import (
	"net/http"
	"strconv"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// apisPage lists the tenant's APIs.
type apisPage struct {
	shell
	Search string
	State  apim.VersionState
	Chips  []ui.ChipView
	Teams  teamFilter
	Rows   []apiRow
	Self   string
	Import string // "" when the reader may not
	None   bool   // there is no API at all
	Later  string
	First  string
}

type apiRow struct {
	Name, Href, Slug string
	Owner            string
	Versions         []versionRow
	State            apim.VersionState // of the version that stands for it
	Note             string            // "sunset 31 Dec 2026"
	Score            int
	Operations       string
	Live             string
	Unpublished      bool
}

func (h *Console) apis(v *visit) error {
	q := manager.APIQuery{
		Search: clip(v.query("q"), 100), State: apim.VersionState(v.query("state")),
		Page: apim.Page{Cursor: v.query("cursor")},
	}
	switch q.State {
	case "", apim.Draft, apim.Published, apim.Deprecated, apim.Retired:
	default:
		return apim.Errorf(apim.NotFound, "%q is not a state of a version", string(q.State))
	}
	teams, err := h.teamFilter(v, apim.ObjectAPI)
	if err != nil {
		return err
	}
	q.Team = teams.asked
	list, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, q)
	if err != nil {
		return err
	}
	l := v.links
	p := apisPage{shell: v.shell("APIs", link{"APIs", ""}), Search: q.Search, State: q.State, Self: l.apis(), Teams: teams}
	if v.can(apim.Write, apim.ObjectAPI) {
		p.Import = l.importSource()
	}
	for _, state := range []apim.VersionState{"", apim.Draft, apim.Published, apim.Deprecated, apim.Retired} {
		label := title(state)
		if state == "" {
			label = "All"
		}
		p.Chips = append(p.Chips, ui.ChipView{
			Label: label, Href: with(l.apis(), "q", q.Search, "state", string(state), "team", teams.value), On: state == q.State, Target: "#list",
		})
	}
	for _, a := range list.Items {
		p.Rows = append(p.Rows, apiRowOf(v, a, q.State))
	}
	p.Teams.link(with(l.apis(), "q", q.Search, "state", string(q.State)))
	p.None = len(p.Rows) == 0 && q.Search == "" && q.State == "" && q.Team == "" && v.query("cursor") == ""
	p.Later, p.First = v.pages(with(l.apis(), "q", q.Search, "state", string(q.State), "team", teams.value), list.NextCursor)
	return v.render(http.StatusOK, apisList(p))
}

// apiRowOf is an API with the version that stands for it, one in the state
// that was asked for if there is one.
func apiRowOf(v *visit, a manager.APISummary, asked apim.VersionState) apiRow {
	row := apiRow{Name: a.API.Name, Href: v.links.api(a.API.Slug), Slug: a.API.Slug, Owner: a.Owner, Score: -1, Live: "—", Operations: "—"}
	head := headOf(a.Versions, asked)
	for i, s := range a.Versions {
		r := versionRowOf(v, a.API.Slug, s)
		row.Versions = append(row.Versions, r)
		if i == head {
			row.State, row.Score, row.Operations, row.Live, row.Unpublished = s.State, s.Score, r.Operations, r.Live, s.Unpublished && s.Revision > 0
		}
	}
	return row
}

// headOf is the version that stands for its API: the newest in the state asked
// for, else the newest that callers use. A draft or a retired version stands
// for it only while nothing else is there.
func headOf(versions []manager.VersionSummary, asked apim.VersionState) int {
	for _, state := range []apim.VersionState{asked, apim.Published, apim.Deprecated, apim.Draft} {
		for i, s := range versions {
			if s.State == state {
				return i
			}
		}
	}
	return 0
}

// api sends a reader to the version that stands for an API.
func (h *Console) api(v *visit) error {
	a, err := h.Catalog.API(v.ctx(), v.actor, v.tenant.ID, v.param("api"))
	if err != nil {
		return err
	}
	if len(a.Versions) == 0 {
		return v.redirect(v.links.importInto(a.API.Slug, "v1"))
	}
	return v.redirect(v.links.version(a.API.Slug, a.Versions[headOf(a.Versions, "")].Label))
}

// scoreTone colours a lint score; the number stands beside it.
func scoreTone(score int) string {
	switch {
	case score < 0:
		return "mute"
	case score >= 90:
		return "okc"
	case score >= 75:
		return "warnc"
	}
	return "badc"
}

func scoreText(score int) string {
	if score < 0 {
		return "—"
	}
	return strconv.Itoa(score)
}

// stateTone is the badge of a version's lifecycle.
func stateTone(s apim.VersionState) ui.Tone {
	switch s {
	case apim.Published:
		return ui.OK
	case apim.Deprecated:
		return ui.Warn
	case apim.Draft:
		return ui.Line
	}
	return ui.Neutral
}

// planTone is the badge of a plan's lifecycle.
func planTone(s apim.PlanState) ui.Tone {
	switch s {
	case apim.PlanPublished:
		return ui.OK
	case apim.PlanDeprecated:
		return ui.Warn
	case apim.PlanDraft:
		return ui.Line
	}
	return ui.Neutral
}

// subscriptionTone is the dot of a subscription's state.
func subscriptionTone(s apim.SubscriptionState) ui.Tone {
	switch s {
	case apim.Active:
		return ui.OK
	case apim.Pending:
		return ui.Accent
	case apim.Suspended:
		return ui.Bad
	}
	return ui.Off
}

// pages are the addresses of the next and of the first page of a list.
func (v *visit) pages(self, next string) (later, first string) {
	if next != "" {
		later = with(self, "cursor", next)
	}
	if v.query("cursor") != "" {
		first = self
	}
	return later, first
}
