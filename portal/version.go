package portal

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/openapi"
)

// versionHead is what all pages of an API version have on top.
type versionHead struct {
	Name, Label, Provider          string
	State, StateTone               string
	URL, Reference, Plans, Openapi string
	Tab                            string // "overview", "reference", "plans"
	Versions                       []versionChoice
	Mine, MineTone                 string
	Subscribe                      string // "" when there is nothing to subscribe to
	Deprecated                     bool
	Banner, BannerText             string
	Newer, NewerURL                string // another version to go to
	Places                         []placeChoice
}

// placeChoice is an environment whose addresses the pages of a version show.
type placeChoice struct {
	Label, URL string
	Current    bool
}

type versionChoice struct {
	Label, URL string
	Current    bool
}

// overviewView is the first page of an API version.
type overviewView struct {
	frame
	versionHead
	Text       string // HTML
	Facts      []fact
	Ways       []credentialWay
	KeysAlone  bool // no other credential is taken
	Public     int  // operations that need no key
	Operations int
	Limits     []string // of the API itself
	Products   []productRow
	Tags       []tagLink
	Sample     *sampleView
	Progress   *progressView
}

type fact struct {
	Label, Value string
	Mono         bool
}

// A credentialWay is one way to show who calls.
type credentialWay struct {
	Where, Example string
}

type tagLink struct {
	Name, URL, Count string
}

type versionPlansView struct {
	frame
	versionHead
	Products []productPlans
}

type productPlans struct {
	Name, URL, Summary, Subscribe string
	Plans                         []planColumn
	CanSubscribe                  bool
}

// progressView says how far the second phase of an import has come.
type progressView struct {
	Stage       string
	Done, Total int
	Failed      bool
	Finished    bool
	Page        string // that shows what was read
	Poll        string // where the notice comes from again
}

// offeredVersion loads the version that the path names, with the address of the
// environment that the reader chose.
func (p *portal) offeredVersion(c *gin.Context, r *reader) (manager.OfferedVersion, []manager.Offer, error) {
	v, offers, err := p.Catalog.OfferedVersion(c.Request.Context(), r.Actor, r.Tenant.ID, c.Param("provider"), c.Param("api"), c.Param("version"))
	if err != nil {
		return v, offers, err
	}
	return in(v, chosenPlace(c, v)), offers, nil
}

func (p *portal) newVersionHead(provider string, v manager.OfferedVersion, offers []manager.Offer, tab string) versionHead {
	api := v.API.Slug
	h := versionHead{
		Name: v.API.Name, Label: v.Label, Provider: provider, Tab: tab,
		URL: versionLink(provider, api, v.Label), Reference: referenceLink(provider, api, v.Label),
		Plans: plansLink(provider, api, v.Label), Openapi: documentLink(provider, api, v.Label),
		State: "Published", StateTone: "ok",
	}
	h.Versions = append(h.Versions, versionChoice{Label: v.Label, URL: h.URL, Current: true})
	for _, label := range v.Siblings {
		if label != v.Label {
			h.Versions = append(h.Versions, versionChoice{Label: label, URL: versionLink(provider, api, label)})
		}
	}
	var mine []manager.SubscriptionView
	for _, o := range offers {
		mine = append(mine, o.Mine...)
		h.Provider = o.Provider.Name
		for _, plan := range o.Plans {
			if plan.Takes() == nil && h.Subscribe == "" {
				h.Subscribe = subscribeLink(o.Provider.Slug, o.Product.Slug)
			}
		}
	}
	h.Mine, h.MineTone = ownState(mine)
	if v.State == apim.Deprecated {
		h.State, h.StateTone, h.Deprecated = "Deprecated", "warn", true
		h.Banner, h.BannerText = retires(v.Label, v.SunsetAt, p.Now()), v.StateReason
		if len(h.Versions) > 1 {
			h.Newer, h.NewerURL = h.Versions[1].Label, h.Versions[1].URL
		}
	}
	return h
}

func (p *portal) overview(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	v, offers, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	provider := c.Param("provider")
	lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
	if err != nil {
		return err
	}
	view := overviewView{
		frame:       r.frame(v.API.Name+" "+v.Label, atCatalog),
		versionHead: p.newVersionHead(provider, v, offers, "overview"),
		Text:        p.markdown.HTML(v.API.Description),
		Ways:        credentialWays(v),
		KeysAlone:   !slices.ContainsFunc(v.Takes, func(t manager.OfferedCredential) bool { return t.Kind != apim.CredentialKey }),
		Operations:  len(lines),
		Tags:        tagLinks(provider, v, lines),
		Sample:      p.firstCall(ctx, r, provider, v, lines, ""),
		Progress:    progress(provider, v, r.here),
	}
	for _, line := range lines {
		if line.Public {
			view.Public++
		}
	}
	for _, o := range offers {
		view.Products = append(view.Products, p.productRow(o))
	}
	view.Facts, view.frame.Wide = p.facts(v, offers), true
	view.versionHead.Places = placeChoices(v, view.versionHead.URL)
	return p.render(c, http.StatusOK, overviewPageOf(view))
}

func (p *portal) facts(v manager.OfferedVersion, offers []manager.Offer) []fact {
	facts := []fact{{Label: "Base URL", Value: v.URL, Mono: true}}
	if place, ok := placeOf(v); ok && len(v.Places) > 1 {
		facts[0].Label = "Base URL, " + place.Name
	}
	facts = append(facts, wayFacts(v)...)
	if len(offers) > 0 {
		facts = append(facts, fact{Label: "Provider", Value: offers[0].Provider.Name})
	}
	if v.API.Contact != "" {
		facts = append(facts, fact{Label: "Contact", Value: v.API.Contact})
	}
	if v.Document.Spec != "" {
		facts = append(facts, fact{Label: "Format", Value: v.Document.SpecName() + ", " + strings.ToUpper(v.Document.Format)})
	}
	if v.Document.Version != "" {
		facts = append(facts, fact{Label: "Document", Value: v.Document.Version})
	}
	if v.Revision > 0 {
		facts = append(facts, fact{Label: "Revision", Value: fmt.Sprintf("%s r%d", v.Label, v.Revision), Mono: true})
	}
	if !v.Document.CreatedAt.IsZero() {
		facts = append(facts, fact{Label: "Updated", Value: shortDay(v.Document.CreatedAt)})
	}
	return append(facts, fact{Label: "Operations", Value: number(v.Operations)})
}

// wayFacts say how a call asks for this version, where the path alone does not,
// and the other ways that work too.
func wayFacts(v manager.OfferedVersion) []fact {
	var facts []fact
	for i, w := range v.Ways {
		switch asks := w.Asks.String(); {
		case i == 0 && asks != "":
			facts = append(facts, fact{Label: "Asked for by", Value: asks, Mono: true})
		case i > 0 && asks != "" && w.URL == v.URL:
			facts = append(facts, fact{Label: "or by", Value: asks, Mono: true})
		case i > 0 && asks != "":
			facts = append(facts, fact{Label: "Also at", Value: w.URL + " by " + asks, Mono: true})
		case i > 0:
			facts = append(facts, fact{Label: "Also at", Value: w.URL, Mono: true})
		}
	}
	return facts
}

// says is what a call has to say beside the path, as samples write it.
func says(s apim.Selector) []openapi.Predicate {
	switch {
	case s.In == "header", s.In == "query":
		return []openapi.Predicate{{In: s.In, Name: s.Name, Value: s.Value}}
	case s.In == "media_type" && s.Name == "":
		return []openapi.Predicate{{In: "header", Name: "Accept", Value: s.Value}}
	case s.In == "media_type":
		return []openapi.Predicate{{In: "header", Name: "Accept", Value: "application/json; " + s.Name + "=" + s.Value}}
	}
	return nil
}

// credentialWays says how callers show who they are: where a key is looked for,
// the best place first, then what else is taken.
func credentialWays(v manager.OfferedVersion) []credentialWay {
	var ways []credentialWay
	places := v.Credentials
	if places.Bearer {
		ways = append(ways, credentialWay{"As a bearer token", "Authorization: Bearer $PORTICO_KEY"})
	}
	if places.Header != "" {
		ways = append(ways, credentialWay{"In a header", places.Header + ": $PORTICO_KEY"})
	}
	if places.Query != "" {
		ways = append(ways, credentialWay{"In the query", "?" + places.Query + "=$PORTICO_KEY"})
	}
	for _, t := range v.Takes {
		switch t.Kind {
		case apim.CredentialBasic:
			ways = append(ways, credentialWay{"User name and password", `curl -u "$USER_NAME:$PORTICO_SECRET"`})
		case apim.CredentialSignature:
			ways = append(ways, signatureWay(t))
		case apim.CredentialJWT:
			ways = append(ways, tokenWay(t))
		case apim.CredentialCertificate:
			ways = append(ways, credentialWay{"A client certificate", "curl --cert client.pem --key client-key.pem"})
		}
	}
	return ways
}

// showing says how callers show who they are.
func (v overviewView) showing() string {
	if v.KeysAlone {
		return "Send your application's key in one of these places."
	}
	return "Show a credential of your application in one of these ways."
}

func signatureWay(t manager.OfferedCredential) credentialWay {
	if t.Form == "simple" {
		return credentialWay{"Signed, with a signing secret", "X-Key-Id, X-Timestamp, X-Signature"}
	}
	return credentialWay{"Signed (RFC 9421), with a signing secret", "Signature-Input, Signature"}
}

func tokenWay(t manager.OfferedCredential) credentialWay {
	way := credentialWay{"A token of " + t.Issuer, "Authorization: Bearer $TOKEN"}
	switch t.In {
	case "header":
		way.Example = t.Name + ": $TOKEN"
	case "cookie":
		way.Example = "Cookie: " + t.Name + "=$TOKEN"
	}
	return way
}

// tagLinks lists the groups of operations with their sizes, in the order of
// the document.
func tagLinks(provider string, v manager.OfferedVersion, lines []manager.OperationLine) []tagLink {
	var tags []tagLink
	for _, g := range groupOperations(lines) {
		tags = append(tags, tagLink{
			Name: g.Name, Count: number(len(g.Lines)),
			URL: with(referenceLink(provider, v.API.Slug, v.Label), "tag", g.Name),
		})
	}
	return tags
}

// progress returns the notice for a page of a version, nil once its document
// has been read.
func progress(provider string, v manager.OfferedVersion, page string) *progressView {
	d := v.Document
	switch d.State {
	case apim.LoadWaiting, apim.Loading:
		return &progressView{
			Stage: d.Stage, Done: d.Done, Total: d.Total, Page: page,
			Poll: with(progressLink(provider, v.API.Slug, v.Label), "page", page),
		}
	case apim.LoadFailed:
		return &progressView{Failed: true}
	}
	return nil
}

// progressNow answers with the notice alone.
func (p *portal) progressNow(c *gin.Context, r *reader) error {
	v, _, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	page := web.LocalPath(c.Query("page"))
	if page == "" {
		page = versionLink(c.Param("provider"), v.API.Slug, v.Label)
	}
	now := progress(c.Param("provider"), v, page)
	if now == nil {
		now = &progressView{Finished: true, Page: page}
	}
	return p.render(c, http.StatusOK, progressNotice(now))
}

func (p *portal) versionPlans(c *gin.Context, r *reader) error {
	v, offers, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	view := versionPlansView{
		frame:       r.frame("Plans of "+v.API.Name+" "+v.Label, atCatalog),
		versionHead: p.newVersionHead(c.Param("provider"), v, offers, "plans"),
	}
	view.frame.Wide = true
	for _, o := range offers {
		product := productPlans{
			Name: o.Product.Name, Summary: o.Product.Summary, URL: productLink(o.Provider.Slug, o.Product.Slug),
			Subscribe: subscribeLink(o.Provider.Slug, o.Product.Slug), Plans: planColumns(o.Plans, o.Mine),
		}
		for _, plan := range product.Plans {
			product.CanSubscribe = product.CanSubscribe || plan.Open
		}
		view.Products = append(view.Products, product)
	}
	return p.render(c, http.StatusOK, versionPlansPageOf(view))
}

// document sends the OpenAPI document of the live revision as it was imported.
func (p *portal) document(c *gin.Context, r *reader) error {
	v, _, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	if v.Document.Bytes > largeBytes {
		place, err := p.place(c)
		if err != nil {
			return err
		}
		defer place()
	}
	doc, body, err := p.Catalog.OfferedDocument(c.Request.Context(), r.Actor, r.Tenant.ID, v.Version)
	if err != nil {
		return err
	}
	contentType, ext := "application/json", ".json"
	if doc.Format == "yaml" {
		contentType, ext = "application/yaml", ".yaml"
	}
	name := v.API.Slug + "-" + v.Label + ext
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	c.Header("ETag", `"`+doc.Digest+`"`)
	if c.GetHeader("If-None-Match") == `"`+doc.Digest+`"` {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Data(http.StatusOK, contentType, body)
	return nil
}

// A document is in memory while it goes out, and anybody may ask for one.
const (
	largeBytes   = 1 << 20
	largeAtOnce  = 8
	largeWait    = 2 * time.Second // for a place
	largeTimeout = 2 * time.Minute // to be read to its end
)

// place waits for a place among the large documents that go out at once, which
// the caller gives back, and bounds how long this one is held.
func (p *portal) place(c *gin.Context) (giveBack func(), err error) {
	timer := time.NewTimer(largeWait)
	defer timer.Stop()
	select {
	case p.large <- struct{}{}:
	case <-timer.C:
		return nil, apim.Errorf(apim.Unavailable, "too many large documents are on their way; try again in a moment").WithCode("busy")
	case <-c.Request.Context().Done():
		return nil, c.Request.Context().Err()
	}
	// Not supported by recorders of tests; every real connection supports it.
	connection := http.NewResponseController(c.Writer)
	_ = connection.SetWriteDeadline(time.Now().Add(largeTimeout))
	return func() {
		<-p.large
		_ = connection.SetWriteDeadline(time.Time{}) // the next request may be in a minute or two
	}, nil
}

// firstOperation chooses the operation for a first call: one that reads, needs
// no value in its path and is not deprecated, else whatever comes nearest.
func firstOperation(lines []manager.OperationLine) (manager.OperationLine, bool) {
	best, score := manager.OperationLine{}, -1
	for _, line := range lines {
		s := 0
		if line.Method == http.MethodGet {
			s += 8
		}
		if !strings.Contains(line.Path, "{") {
			s += 4
		}
		if !line.Deprecated {
			s += 2
		}
		if !line.Public {
			s++
		}
		if s > score {
			best, score = line, s
		}
	}
	return best, score >= 0
}

// mostTried bounds how many APIs are looked at for one with a first call.
const mostTried = 4

// heroSample shows the first call of the first API that has one.
func (p *portal) heroSample(ctx context.Context, r *reader, offers []manager.Offer) *sampleView {
	tried := 0
	for _, o := range offers {
		for _, v := range o.Versions {
			if tried++; tried > mostTried {
				return nil
			}
			lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
			if err != nil {
				return nil // the page is whole without it
			}
			if s := p.firstCall(ctx, r, o.Provider.Slug, v, lines, ""); s != nil {
				return s
			}
		}
	}
	return nil
}
