package portal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

func TestReferenceShowsAnOperationWhole(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.anonymous()
	b.get("/apis/meridian/parcels/v1/reference/list_parcels").wants(t, http.StatusOK,
		"List parcels", "limit", "How many to return.", "integer", "Default 20", "needs a key",
		`curl http://localhost:8080/meridian/parcels/v1/parcels`, "Authorization: Bearer $PORTICO_KEY", "out_for_delivery", "The parcels.")
	b.get("/apis/meridian/parcels/v1/reference/parcels%2Fcreate").wants(t, http.StatusOK, "Create a parcel", "Body", "status", "required", "read only", "country")
	b.get("/apis/meridian/parcels/v1/reference/get_parcel").wants(t, http.StatusOK, "This operation is deprecated.")
	p := b.get("/apis/meridian/parcels/v1/reference/health")
	p.wants(t, http.StatusOK, "no key needed", "curl http")
	p.lacks(t, "$PORTICO_KEY", "Set PORTICO_KEY")
	if p := b.get("/apis/meridian/parcels/v1/reference/nothing"); p.status != http.StatusNotFound {
		t.Errorf("an operation that is not: got %d, want 404", p.status)
	}
}

func TestReferenceWorksBeforeTheDocumentIsRead(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	w.anonymous().get("/apis/meridian/parcels/v1/reference/list_parcels").wants(t, http.StatusOK,
		"The document is still being read.", "List parcels", "GET", "http://localhost:8080/meridian/parcels/v1", "/parcels")
}

func TestLanguageOfSamplesIsRemembered(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.anonymous()
	page := "/apis/meridian/parcels/v1/reference/list_parcels"
	for _, c := range []struct{ language, sign string }{{"python", "import"}, {"go", "http.NewRequest"}, {"javascript", "fetch("}, {"curl", "curl http"}} {
		b.get(page+"?lang="+c.language).wants(t, http.StatusOK, c.sign)
		b.get(page).wants(t, http.StatusOK, c.sign)
	}
	b.get(page+"?lang=cobol").wants(t, http.StatusOK, "curl http")
}

func TestOperationsAreFilteredWithoutAScript(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.anonymous()
	p := b.get("/apis/meridian/parcels/v1/reference?filter=create+parcel")
	p.wants(t, http.StatusOK, "Create a parcel")
	p.lacks(t, "List parcels")
	b.get("/apis/meridian/parcels/v1/reference?filter=zeppelin").wants(t, http.StatusOK, "Nothing matches", "Show all operations")
	b.get("/apis/meridian/parcels/v1/reference").wants(t, http.StatusOK, "List parcels", "Create a parcel", "Get a parcel", "Health of the service")
}

// large is a document of as many operations as GitHub's, in 40 groups.
func large() string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.3\ninfo: {title: Large, version: '1'}\nservers: [{url: 'https://upstream.example'}]\npaths:\n")
	for i := range 1223 {
		fmt.Fprintf(&b, "  /group%d/thing%d:\n    get:\n      operationId: group%d/thing-%d\n      summary: Get the thing with number %d\n      tags: [group%d]\n      responses: {'200': {description: It.}}\n",
			i%40, i, i%40, i, i, i%40)
	}
	return b.String()
}

func TestReferenceOfAThousandOperationsStaysSmall(t *testing.T) {
	w := newWorld(t)
	w.publish("Large", large(), apim.VisiblePublic)
	b := w.anonymous()
	p := b.get("/apis/meridian/large/v1/reference/group3%2Fthing-43")
	p.wants(t, http.StatusOK, "Get the thing with number 43", "group39")
	if most := 100 << 10; len(p.body) > most {
		t.Errorf("the page has %d bytes, want at most %d", len(p.body), most)
	}
	p.lacks(t, "Get the thing with number 44<") // of a group that is folded
	b.get("/apis/meridian/large/v1/reference?tag=group4").wants(t, http.StatusOK, "Get the thing with number 44")
	b.get("/apis/meridian/large/v1/reference?filter=number+1222").wants(t, http.StatusOK, "Get the thing with number 1222")
}

func TestNoticeEndsWhenTheDocumentIsRead(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.anonymous()
	page := "/apis/meridian/parcels/v1/reference/list_parcels"
	b.get(page).wants(t, http.StatusOK, "The document is still being read.")
	poll := "/apis/meridian/parcels/v1/progress?page=" + page
	if p := b.get(poll); !strings.Contains(p.body, "still being read") || !strings.Contains(p.body, "hx-trigger") {
		t.Errorf("the notice does not ask again: %s", p.body)
	}
	w.load(o.version)
	p := b.get(poll)
	if !strings.Contains(p.body, "has been read") || !strings.Contains(p.body, `href="`+page+`"`) || strings.Contains(p.body, "hx-trigger") {
		t.Errorf("the notice does not end: %s", p.body)
	}
	if p := b.get("/apis/meridian/parcels/v1/progress?page=//evil.example"); strings.Contains(p.body, "evil") {
		t.Error("the notice leads elsewhere")
	}
	b.get(page).lacks(t, "still being read")
}

func TestNamedSchemasHavePages(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.anonymous()
	b.get("/apis/meridian/parcels/v1/schemas/Parcel").wants(t, http.StatusOK, "Parcel", "status", "in_transit", "required", "made from the schema")
	if p := b.get("/apis/meridian/parcels/v1/schemas/Nothing"); p.status != http.StatusNotFound {
		t.Errorf("a schema that is not: got %d, want 404", p.status)
	}
}

func TestReferenceSaysHowAVersionIsAskedFor(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.anonymous()
	b.get("/apis/meridian/parcels/v1").lacks(t, "Asked for by")
	again := func(mounts ...apim.Mount) {
		t.Helper()
		must[apim.Version](t)(w.catalog.UpdateDraft(t.Context(), w.provider, w.providerTenant.ID, o.version.ID, manager.DraftChange{Mounts: &mounts}))
		must[manager.PublishResult](t)(w.catalog.Publish(t.Context(), w.provider, w.providerTenant.ID, o.version.ID, "production", ""))
	}
	by := func(in, name, value string) apim.Mount {
		return apim.Mount{BasePath: "/meridian/parcels", Select: apim.Selector{In: in, Name: name, Value: value}}
	}
	again(by("header", "X-Version", "1"), by("query", "v", "1"))
	b.get("/apis/meridian/parcels/v1").wants(t, http.StatusOK, "Asked for by", "header X-Version: 1", "or by", "query v=1")
	b.get("/apis/meridian/parcels/v1/reference/list_parcels").wants(t, http.StatusOK,
		"v1 is asked for by header X-Version: 1", "curl http://localhost:8080/meridian/parcels/parcels", "X-Version: 1")
	again(by("media_type", "", "application/vnd.parcels.v1+json"))
	b.get("/apis/meridian/parcels/v1/reference/list_parcels").wants(t, http.StatusOK, "Accept: application/vnd.parcels.v1+json")
	again(by("query", "v", "one two"))
	b.get("/apis/meridian/parcels/v1/reference/list_parcels").wants(t, http.StatusOK, "?v=one+two")
	// Where the path alone is enough, that is what the page and the samples show.
	again(by("header", "X-Version", "1"), apim.Mount{BasePath: "/meridian/parcels/v1"})
	p := b.get("/apis/meridian/parcels/v1/reference/list_parcels")
	p.wants(t, http.StatusOK, "curl http://localhost:8080/meridian/parcels/v1/parcels")
	p.lacks(t, "X-Version")
	b.get("/apis/meridian/parcels/v1").wants(t, http.StatusOK, "Also at", "http://localhost:8080/meridian/parcels by header X-Version: 1")
}
