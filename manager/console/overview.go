package console

import (
	"net/http"
	"strconv"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// overviewPage is what exists and what waits. It has no traffic figures: the
// nodes do not report any yet.
type overviewPage struct {
	shell
	Stats    []ui.Stat
	Next     []nextStep
	APIs     []apiRow
	AllAPIs  string
	Requests []requestRow
	Inbox    string // "" for who sees no requests
	Nodes    []nodeRow
	NodesURL string
	Import   string
}

// nextStep is a step from nothing to the first call.
type nextStep struct {
	Label, Text, Href, Action string
	Done                      bool
	Current                   bool
}

func (h *Console) overview(v *visit) error {
	apis, products, err := h.offered(v)
	if err != nil {
		return err
	}
	nodes, err := h.Fleet.Nodes(v.ctx(), v.actor, v.environment.Slug)
	if err != nil {
		return err
	}
	p := overviewPage{
		shell: v.shell("Overview", link{"Overview", ""}), AllAPIs: v.links.apis(), NodesURL: v.links.nodes(),
	}
	if v.can(apim.Write, apim.ObjectAPI) {
		p.Import = v.links.importSource()
	}
	if v.readsRequests() {
		p.Inbox = v.links.approvals()
		inbox, err := h.Access.Inbox(v.ctx(), v.actor, v.tenant.ID, manager.InboxQuery{Page: apim.Page{Limit: 5}})
		if err != nil {
			return err
		}
		for _, s := range inbox.Items {
			p.Requests = append(p.Requests, rowOf(v, s, ""))
		}
	}
	for _, n := range nodes {
		p.Nodes = append(p.Nodes, nodeRowOf(v, n))
	}
	for i, a := range apis.Items {
		if i < 8 {
			p.APIs = append(p.APIs, apiRowOf(v, a, ""))
		}
	}
	p.Stats = overviewStats(v, apis, products, nodes)
	if p.Import != "" {
		p.Next = v.next(apis.Items, products.Items)
	}
	return v.render(http.StatusOK, overview(p))
}

// offered is what the tenant offers, as far as the reader may read it.
func (h *Console) offered(v *visit) (apis apim.List[manager.APISummary], products apim.List[manager.ProductDetail], err error) {
	if v.can(apim.Read, apim.ObjectAPI) {
		if apis, err = h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}}); err != nil {
			return apis, products, err
		}
	}
	if v.can(apim.Read, apim.ObjectProduct) {
		products, err = h.Catalog.Products(v.ctx(), v.actor, v.tenant.ID, manager.ProductQuery{Page: apim.Page{Limit: 200}})
	}
	return apis, products, err
}

func overviewStats(v *visit, apis apim.List[manager.APISummary], products apim.List[manager.ProductDetail], nodes []apim.Node) []ui.Stat {
	more := func(n int, next string) string {
		if next != "" {
			return strconv.Itoa(n) + "+"
		}
		return strconv.Itoa(n)
	}
	live, versions := 0, 0
	for _, a := range apis.Items {
		for _, s := range a.Versions {
			versions++
			if len(s.Live) > 0 {
				live++
			}
		}
	}
	listed, subscribers := 0, 0
	for _, d := range products.Items {
		if d.Product.Listed {
			listed++
		}
		subscribers += d.Subscribers
	}
	serving := 0
	for _, n := range nodes {
		if n.State == apim.NodeLive {
			serving++
		}
	}
	waiting := ui.Stat{Label: "Waiting for you", Value: strconv.Itoa(v.waiting), Note: "requests for access"}
	position := ui.Stat{Label: "Position of " + v.environment.Name, Value: sequence(v.environment.Sequence), Note: "no node has it"}
	if n := len(v.applied.Nodes); n > 0 {
		position.Note = "live on " + strconv.Itoa(v.applied.Live()) + " of " + strconv.Itoa(n) + " nodes"
		if v.applied.Done && v.applied.TookMS >= 0 {
			position.Note += " · " + took(v.applied.TookMS)
		}
	}
	return []ui.Stat{
		{Label: "APIs", Value: more(len(apis.Items), apis.NextCursor), Note: strconv.Itoa(live) + " of " + count(versions, "version", "versions") + " live"},
		{Label: "Products", Value: more(len(products.Items), products.NextCursor), Note: strconv.Itoa(listed) + " in the catalog"},
		{Label: "Live subscriptions", Value: number(subscribers), Note: "to your products"},
		waiting,
		{Label: "Gateway nodes", Value: strconv.Itoa(serving), Unit: "of " + strconv.Itoa(len(nodes)), Note: "serving " + v.environment.Name},
		position,
	}
}

// next are the steps to the first call, until all are done.
func (v *visit) next(apis []manager.APISummary, products []manager.ProductDetail) []nextStep {
	l := v.links
	live, offered, open := false, false, false
	first := ""
	for _, a := range apis {
		for _, s := range a.Versions {
			live = live || len(s.Live) > 0
			if first == "" {
				first = l.version(a.API.Slug, s.Label)
			}
		}
	}
	product := ""
	for _, d := range products {
		offered = offered || len(d.Versions) > 0
		if product == "" {
			product = l.product(d.Product.Slug)
		}
		for _, plan := range d.Plans {
			open = open || plan.State == apim.PlanPublished && d.Product.Listed
		}
	}
	if first == "" {
		first = l.apis()
	}
	planAt := product
	if planAt == "" {
		planAt = l.newProduct()
	}
	steps := []nextStep{
		{Label: "Import a document", Text: "OpenAPI 3.0, 3.1 or 3.2, JSON or YAML, by file, paste or URL", Href: l.importSource(), Action: "Import OpenAPI", Done: len(apis) > 0},
		{Label: "Publish it", Text: "The gateway nodes serve it within milliseconds", Href: first, Action: "Open the draft", Done: live},
		{Label: "Make a product", Text: "What consumers subscribe to: API versions offered together", Href: l.newProduct(), Action: "New product", Done: offered},
		{Label: "Open a plan", Text: "Rate limit, price text, approval at once or by a person", Href: planAt, Action: "Open the product", Done: open},
	}
	all, current := true, false
	for i := range steps {
		all = all && steps[i].Done
		if !steps[i].Done && !current {
			steps[i].Current, current = true, true
		}
	}
	if all {
		return nil
	}
	return steps
}
