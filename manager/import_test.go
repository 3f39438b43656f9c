package manager_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func TestStagedImportShowsWhatWouldBeMade(t *testing.T) {
	postgres.Both(t, testStagedImportShowsWhatWouldBeMade)
}

func testStagedImportShowsWhatWouldBeMade(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	i := p.stage(p.provider, p.shop.ID, ordersDocument)
	if i.Document.Operations != 4 || i.Document.Spec != "3.1.0" || i.Document.Format != "yaml" || i.Document.Source != "orders.yaml" || i.Document.Score != -1 {
		t.Errorf("got document %+v", i.Document)
	}
	if len(i.Security) != 2 || i.Security[0].Kind != "API key in header X-Key" || i.Security[0].Operations != 3 || i.Security[1].Operations != 1 {
		t.Errorf("got security %+v", i.Security)
	}
	if len(i.Servers) != 1 || !i.Servers[0].Usable {
		t.Errorf("got servers %+v", i.Servers)
	}
	again := must[apim.Import](t)(p.catalog.StagedImport(t.Context(), p.provider, p.shop.ID, i.ID))
	if len(again.Routes) != 4 || again.Proposed != i.Proposed || again.ExpiresAt.Sub(again.CreatedAt) != 24*time.Hour {
		t.Errorf("got %+v", again)
	}
	p.pass(24 * time.Hour)
	_, err := p.catalog.StagedImport(t.Context(), p.provider, p.shop.ID, i.ID)
	refused(t, err, apim.NotFound)
	_, err = p.catalog.AcceptImport(t.Context(), p.provider, p.shop.ID, i.ID, manager.AcceptImport{})
	refused(t, err, apim.NotFound)
}

// A variable of a server that may have several values is often the choice of
// an environment.
func TestValuesOfAServersVariablesAreOffered(t *testing.T) {
	postgres.Both(t, testValuesOfAServersVariablesAreOffered)
}

func testValuesOfAServersVariablesAreOffered(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	i := p.stage(p.provider, p.shop.ID, strings.Replace(ordersDocument, `servers: [{url: "https://orders.upstream.example/base"}]`,
		`servers: [{url: "https://{stage}.orders.example:{port}", variables: {stage: {default: live, enum: [live, sandbox]}, port: {default: "443", enum: ["443", "8443"]}}}]`, 1))
	var got []string
	for _, s := range i.Servers {
		got = append(got, s.URL+" "+s.Description)
	}
	want := "https://live.orders.example:443 |https://sandbox.orders.example:443 stage sandbox|https://live.orders.example:8443 port 8443"
	if strings.Join(got, "|") != want || i.Proposed.Upstream != "https://live.orders.example:443" {
		t.Errorf("got %q, proposed %s", got, i.Proposed.Upstream)
	}
}

func TestSecondAcceptReturnsTheFirstVersion(t *testing.T) {
	postgres.Both(t, testSecondAcceptReturnsTheFirstVersion)
}

func testSecondAcceptReturnsTheFirstVersion(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	i := p.stage(p.provider, p.shop.ID, ordersDocument)
	first := must[apim.Version](t)(p.catalog.AcceptImport(t.Context(), p.provider, p.shop.ID, i.ID, manager.AcceptImport{}))
	second := must[apim.Version](t)(p.catalog.AcceptImport(t.Context(), p.provider, p.shop.ID, i.ID, manager.AcceptImport{}))
	if first.ID != second.ID || p.audited(p.shop.ID, "version.create") != 1 {
		t.Errorf("got %s and %s, want one version", first.ID, second.ID)
	}
}

func TestAccessDecidesWhatIsPublic(t *testing.T) { postgres.Both(t, testAccessDecidesWhatIsPublic) }

func testAccessDecidesWhatIsPublic(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	for access, want := range map[string]int{"": 0, "key": 0, "document": 1} {
		i := p.stage(p.provider, p.shop.ID, ordersDocument)
		v := must[apim.Version](t)(p.catalog.AcceptImport(t.Context(), p.provider, p.shop.ID, i.ID, manager.AcceptImport{Slug: "a" + access, Access: access}))
		public := 0
		for _, r := range v.Runtime.Routes {
			if r.Public {
				public++
			}
		}
		if public != want {
			t.Errorf("%q: got %d public operations, want %d", access, public, want)
		}
	}
}

func TestFormOfAnImportIsCheckedWhole(t *testing.T) {
	postgres.Both(t, testFormOfAnImportIsCheckedWhole)
}

func testFormOfAnImportIsCheckedWhole(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	p.version(p.provider, p.shop, "orders")
	without := strings.Replace(ordersDocument, `servers: [{url: "https://orders.upstream.example/base"}]`, "", 1)
	i := p.stage(p.provider, p.shop.ID, without)
	_, err := p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{
		Slug: "orders", Label: "V 1", MountPath: "no-slash", Access: "maybe",
	})
	wantFields(t, err, "access label mount_path slug upstream")
	if !strings.Contains(err.Error(), "https://orders.internal:8443") {
		t.Errorf("got %q, want a hint for the upstream", err)
	}
	_, err = p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{Slug: "api", Upstream: "orders.internal"})
	wantFields(t, err, "slug upstream")
	_, err = p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: "api_00000000000000000000000000000000"})
	refused(t, err, apim.NotFound)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{Slug: "fine", Upstream: "http://orders.internal:8443/"}))
	if got := v.Runtime.Upstreams[0].URLs[0]; got != "http://orders.internal:8443" {
		t.Errorf("got upstream %s", got)
	}
}

// Losing what was edited on re-import is the oldest complaint about the peers.
func TestReimportKeepsWhatWasEdited(t *testing.T) { postgres.Both(t, testReimportKeepsWhatWasEdited) }

func testReimportKeepsWhatWasEdited(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	p.draft(v, manager.DraftChange{
		UpstreamURLs: &[]string{"http://mine.example"}, Public: map[string]bool{"list_orders": true, "health": false}, Off: map[string]bool{"get_order": true},
		Limits: &[]apim.RateLimit{{Requests: 9, Period: time.Second, By: "api"}}, Credentials: &apim.CredentialPlaces{Header: "X-Mine"},
		Mount: &apim.Mount{BasePath: "/shop/mine"},
	})
	p.publish(v)
	newer := strings.Replace(ordersDocument, "  /health:", "  /refunds:\n    post: {operationId: refund, responses: {\"201\": {description: Made}}}\n  /health:", 1)
	i := p.stage(p.provider, p.shop.ID, newer)
	got := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API, Label: "v1", Access: "document"}))
	if got.ID != v.ID || !got.Unpublished || got.Revision != 1 || len(got.Runtime.Routes) != 5 {
		t.Fatalf("got %+v, want the draft of the same version replaced", got)
	}
	flags := map[string]string{}
	for _, r := range got.Runtime.Routes {
		flags[r.Operation] = fmt.Sprint(r.Public, r.Off)
	}
	want := map[string]string{"list_orders": "true false", "create_order": "false false", "get_order": "false true", "health": "false false", "refund": "false false"}
	for op, w := range want {
		if flags[op] != w {
			t.Errorf("%s: got public, off = %s, want %s", op, flags[op], w)
		}
	}
	rt := got.Runtime
	if rt.Upstreams[0].URLs[0] != "http://mine.example" || len(rt.Limits) != 1 || rt.Credentials.Header != "X-Mine" || rt.Mounts[0].BasePath != "/shop/mine" {
		t.Errorf("got %+v, want what was edited", rt)
	}
}

func TestSecondVersionOfAnAPI(t *testing.T) { postgres.Both(t, testSecondVersionOfAnAPI) }

func testSecondVersionOfAnAPI(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	i := p.stage(p.provider, p.shop.ID, strings.Replace(ordersDocument, "1.2.0", "2.0.0", 1))
	two := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API}))
	if two.Label != "v2" || two.API != v.API || two.Runtime.Mounts[0].BasePath != "/shop/orders/v2" {
		t.Fatalf("got %+v", two)
	}
	api := must[manager.APISummary](t)(p.catalog.API(ctx, p.provider, p.shop.ID, "orders"))
	if len(api.Versions) != 2 || api.Versions[0].Label != "v2" || api.Versions[0].Operations != 4 {
		t.Errorf("got %+v, want v2 first", api.Versions)
	}
}

func TestWhatIsNoDocumentIsRefusedWithItsLine(t *testing.T) {
	postgres.Both(t, testWhatIsNoDocumentIsRefusedWithItsLine)
}

func testWhatIsNoDocumentIsRefusedWithItsLine(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	for name, body := range map[string]string{
		"empty":   "",
		"text":    "hello",
		"json":    `{"openapi": "3.1.0", "info": {`,
		"page":    "<!doctype html><title>Sign in</title>",
		"other":   `{"a": 1}`,
		"swagger": `{"swagger": "2.0", "info": {"title": "x", "version": "1"}, "paths": {}}`,
		"nothing": "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths: {}\n",
		"deep":    strings.Repeat("[", 20_000),
		"bomb":    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nopenapi: 3.1.0\n",
	} {
		_, err := p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{FileName: name, Body: strings.NewReader(body)})
		var e *apim.Error
		if !errors.As(err, &e) || e.Kind != apim.Invalid && e.Kind != apim.TooLarge || len(e.Fields) != 1 || !strings.HasPrefix(e.Fields[0].Field, "document") || e.Fields[0].Detail == "" {
			t.Errorf("%s: got %v, want a refusal that names the document", name, err)
		}
	}
	_, err := p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{})
	wantFields(t, err, "document")
	_, err = p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{Body: &endless{}})
	refused(t, err, apim.TooLarge)
	_, err = p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{Body: io.MultiReader(strings.NewReader("openapi: "), brokenOff{})})
	wantFields(t, err, "document")
}

// endless is a body that never ends, and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	if e.read += len(b); e.read > manager.MaxDocumentBytes+1<<20 {
		return 0, errors.New("read beyond the limit")
	}
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDocumentIsFetchedByItsAddress(t *testing.T) {
	postgres.Both(t, testDocumentIsFetchedByItsAddress)
}

func testDocumentIsFetchedByItsAddress(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	relative := strings.Replace(ordersDocument, "https://orders.upstream.example/base", "/base", 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/doc.yaml" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, relative)
	}))
	defer server.Close()
	i := must[apim.Import](t)(p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{URL: server.URL + "/doc.yaml?token=canary#x"}))
	if i.Proposed.Upstream != server.URL+"/base" || i.Document.Source != server.URL+"/doc.yaml" {
		t.Errorf("got upstream %q of %q", i.Proposed.Upstream, i.Document.Source)
	}
	for _, address := range []string{server.URL + "/other", "ftp://x/doc", "no address", "http://user:pw@x/doc", "http://127.0.0.1:1/doc", "//x"} {
		_, err := p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{URL: address})
		wantFields(t, err, "url")
	}
}

// What stands after the question mark is often a token: it is used to fetch the
// document, and neither kept nor logged.
func TestQueryOfADocumentsAddressIsNotKept(t *testing.T) {
	postgres.Both(t, testQueryOfADocumentsAddressIsNotKept)
}

func testQueryOfADocumentsAddressIsNotKept(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	var log strings.Builder
	p.catalog.Log = slog.New(slog.NewTextHandler(&log, nil))
	relative := strings.Replace(ordersDocument, "https://orders.upstream.example/base", "/base", 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("token") == "canary" {
			_, _ = io.WriteString(w, relative)
		}
	}))
	i := must[apim.Import](t)(p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{URL: server.URL + "/doc.yaml?token=canary#canary"}))
	if i.Document.Source != server.URL+"/doc.yaml" || i.Proposed.Upstream != server.URL+"/base" {
		t.Errorf("got source %q, upstream %q", i.Document.Source, i.Proposed.Upstream)
	}
	server.Close()
	_, err := p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{URL: server.URL + "/doc.yaml?token=canary"})
	wantFields(t, err, "url")
	if strings.Contains(log.String(), "canary") || !strings.Contains(log.String(), "refused") {
		t.Errorf("the log says %s", log.String())
	}
}

// A document is in memory, twice over, while it comes in and is scanned; how
// long that takes is the sender's to say.
func TestDocumentsComeInAFewAtATime(t *testing.T) { postgres.Both(t, testDocumentsComeInAFewAtATime) }

func testDocumentsComeInAFewAtATime(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	next := p.tenant("next")
	neighbour := p.person(next, "Nina", apim.RoleProvider)
	ctx := t.Context()
	var under sync.WaitGroup
	var senders []*io.PipeWriter
	for range 2 {
		body, sender := io.Pipe()
		under.Go(func() {
			_, _ = p.catalog.StageImport(ctx, p.provider, p.shop.ID, manager.Upload{FileName: "slow.yaml", Body: body})
		})
		if _, err := sender.Write([]byte("openapi: ")); err != nil { // it is being read
			t.Fatal(err)
		}
		senders = append(senders, sender)
	}
	_, err := p.catalog.StageImport(ctx, p.provider, p.shop.ID, manager.Upload{FileName: "third.yaml", Body: strings.NewReader(ordersDocument)})
	refused(t, err, apim.TooMany)
	p.stage(neighbour, next.ID, ordersDocument)
	for _, s := range senders {
		s.Close()
	}
	under.Wait()
	p.stage(p.provider, p.shop.ID, ordersDocument)
}

func TestSameDocumentIsStoredOnce(t *testing.T) { postgres.Both(t, testSameDocumentIsStoredOnce) }

func testSameDocumentIsStoredOnce(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	a, b := p.stage(p.provider, p.shop.ID, ordersDocument), p.stage(p.provider, p.shop.ID, ordersDocument)
	if a.Document.ID == b.Document.ID || a.Document.Digest != b.Document.Digest {
		t.Fatalf("got %s and %s", a.Document.ID, b.Document.ID)
	}
	_, raw, err := p.catalog.DocumentBytes(t.Context(), p.provider, p.shop.ID, b.Document.ID)
	if err != nil || string(raw) != ordersDocument {
		t.Errorf("got %d bytes, %v, want the document as it was sent", len(raw), err)
	}
}

// The second phase: findings, score and a page for each operation, and the
// portal shows it.
func TestLoaderMakesTheReference(t *testing.T) { postgres.Both(t, testLoaderMakesTheReference) }

func testLoaderMakesTheReference(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	before, partial, err := m.catalog.OfferedReference(ctx, apim.Actor{}, "", m.offer.version.ID, "get_order")
	if err != nil || !partial || before.Path != "/orders/{id}" || before.Summary != "Get an order" {
		t.Fatalf("got %+v, %v, %v, want what the scan found", before, partial, err)
	}
	running, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- m.catalog.RunLoader(running) }()
	var detail manager.VersionDetail
	waitFor(t, func() bool {
		detail = must[manager.VersionDetail](t)(m.catalog.Version(ctx, m.provider, m.shop.ID, m.offer.version.ID))
		return detail.Document.State == apim.Loaded
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if again := must[manager.VersionDetail](t)(m.catalog.Version(ctx, m.provider, m.shop.ID, m.offer.version.ID)); again.Document.State != apim.Loaded {
		t.Errorf("got %s: a loader that ends when it has just read a document puts it back", again.Document.State)
	}
	d := detail.Document
	if d.Score < 1 || d.Score > 99 || d.Passed == 0 || d.Done != 4 || d.Total != 4 || d.Findings == 0 {
		t.Errorf("got %+v", d)
	}
	findings := must[apim.List[apim.Finding]](t)(m.catalog.Findings(ctx, m.provider, m.shop.ID, d.ID, apim.Page{Limit: 200}))
	if len(findings.Items) != d.Findings {
		t.Errorf("got %d findings, want %d", len(findings.Items), d.Findings)
	}
	ref, partial, err := m.catalog.OfferedReference(ctx, apim.Actor{}, "", m.offer.version.ID, "get_order")
	if err != nil || partial || len(ref.Parameters) != 1 || len(ref.Responses) != 1 {
		t.Errorf("got %+v, %v, %v, want the whole page", ref, partial, err)
	}
	_, _, err = m.catalog.OfferedReference(ctx, apim.Actor{}, "", m.offer.version.ID, "nothing")
	refused(t, err, apim.NotFound)
	lines := must[[]manager.OperationLine](t)(m.catalog.OfferedOperations(ctx, apim.Actor{}, "", m.offer.version.ID))
	if len(lines) != 4 || lines[0].Operation != "list_orders" || !lines[3].Public {
		t.Errorf("got %+v, want the document's order", lines)
	}
	if _, raw, err := m.catalog.OfferedDocument(ctx, apim.Actor{}, "", m.offer.version.ID); err != nil || string(raw) != ordersDocument {
		t.Errorf("got %d bytes, %v", len(raw), err)
	}
}

// A document that took the process with it twice is given up, and says so.
func TestDocumentThatKillsTheLoaderIsGivenUp(t *testing.T) {
	postgres.Both(t, testDocumentThatKillsTheLoaderIsGivenUp)
}

func testDocumentThatKillsTheLoaderIsGivenUp(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	for range 2 { // two loaders that were killed in the middle
		p.takeDocument()
	}
	running, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- p.catalog.RunLoader(running) }()
	waitFor(t, func() bool {
		return must[manager.VersionDetail](t)(p.catalog.Version(ctx, p.provider, p.shop.ID, v.ID)).Document.State == apim.LoadFailed
	})
	cancel()
	<-done
	list := must[apim.List[apim.Finding]](t)(p.catalog.Findings(ctx, p.provider, p.shop.ID, v.Document, apim.Page{}))
	if len(list.Items) == 0 || list.Items[0].Code != "load_gave_up" || list.Items[0].Severity != "error" {
		t.Errorf("got %+v, want a finding that says so", list.Items)
	}
	p.publish(v) // its operations work all the same
}

// A loader that is told to end leaves the document for the next one, untried.
func TestEndedLoaderLeavesItsDocument(t *testing.T) {
	postgres.Both(t, testEndedLoaderLeavesItsDocument)
}

func testEndedLoaderLeavesItsDocument(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	p.version(p.provider, p.shop, "orders")
	for range 5 {
		ctx, cancel := contextWithCancel(t)
		done := make(chan error, 1)
		go func() { done <- p.catalog.RunLoader(ctx) }()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- p.catalog.RunLoader(ctx) }()
	waitFor(t, func() bool {
		list := must[apim.List[manager.APISummary]](t)(p.catalog.APIs(t.Context(), p.provider, p.shop.ID, manager.APIQuery{}))
		return list.Items[0].Versions[0].Score > 0
	})
	cancel()
	<-done
}

func TestSearchFindsByProductAPIAndOperation(t *testing.T) {
	postgres.Both(t, testSearchFindsByProductAPIAndOperation)
}

func testSearchFindsByProductAPIAndOperation(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	for search, want := range map[string]int{
		"": 1, "ORDERS": 1, "of a shop": 1, "/orders/{id}": 1, "get an order": 1, "create_order": 1, "no such thing": 0, "%": 0, "_____________________________________": 0,
	} {
		list, err := m.catalog.Offers(t.Context(), apim.Actor{}, "", manager.OfferQuery{Search: search})
		if err != nil || len(list.Items) != want {
			t.Errorf("%q: got %d, %v, want %d", search, len(list.Items), err, want)
		}
	}
	_, err := m.catalog.Offers(t.Context(), apim.Actor{}, "", manager.OfferQuery{Search: strings.Repeat("x", 201)})
	wantFields(t, err, "search")
}

func TestCatalogShowsNoDraftsAndNoDraftPlans(t *testing.T) {
	postgres.Both(t, testCatalogShowsNoDraftsAndNoDraftPlans)
}

func testCatalogShowsNoDraftsAndNoDraftPlans(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	hidden := m.version(m.provider, m.shop, "hidden")
	if _, _, err := m.catalog.UpdateProduct(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.ProductInput{Versions: &[]apim.ID{hidden.ID, m.offer.version.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.catalog.CreatePlan(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.PlanInput{Name: new("Secret")}); err != nil {
		t.Fatal(err)
	}
	o := must[manager.Offer](t)(m.catalog.Offer(ctx, apim.Actor{}, "", "shop", "orders"))
	if len(o.Versions) != 1 || len(o.Product.Versions) != 1 || len(o.Plans) != 2 || o.Provider.Name != "Shop" {
		t.Errorf("got %+v", o)
	}
	_, err := m.catalog.OfferedOperations(ctx, apim.Actor{}, "", hidden.ID)
	refused(t, err, apim.NotFound)
	_, err = m.catalog.Offers(ctx, m.consumer, m.shop.ID, manager.OfferQuery{})
	refused(t, err, apim.NotFound) // Carl is no member of the shop
	m.pending()
	mine := must[manager.Offer](t)(m.catalog.Offer(ctx, m.consumer, m.client.ID, "shop", "orders"))
	if len(mine.Mine) != 1 || mine.Mine[0].Application != "App till" {
		t.Errorf("got %+v, want the reader's own subscription", mine.Mine)
	}
}
