package portal_test

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

func TestAnybodyReadsThePublicCatalog(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.anonymous()
	b.get("/").wants(t, http.StatusOK, "Parcels", "Meridian Logistics", "v1", "4 operations", "Sandbox", "Growth", "Free", "curl http")
	b.get("/products/meridian/parcels").wants(t, http.StatusOK, "All of Parcels in one subscription.", "10 / s", "at once", "by a person", "€ 0.80 / 1,000 calls")
	b.get("/apis/meridian/parcels/v1").wants(t, http.StatusOK, "http://localhost:8080/meridian/parcels/v1", "Authorization: Bearer $PORTICO_KEY", "X-API-Key", "?api_key=", "One operation needs no key")
	b.get("/apis/meridian/parcels/v1/plans").wants(t, http.StatusOK, "Sandbox", "Growth")
}

func TestEmptyCatalogLeadsOn(t *testing.T) {
	w := newWorld(t)
	w.anonymous().get("/").wants(t, http.StatusOK, "No product is open to everybody", "Sign in")
	w.consumer("Ines Aguilar").get("/").wants(t, http.StatusOK, "No products yet")
}

func TestSearchFindsProductsAPIsAndOperations(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.anonymous()
	b.get("/?q=create").wants(t, http.StatusOK, "Create a parcel", "POST", "Parcels v1")
	b.get("/?q=parc").wants(t, http.StatusOK, "Products", "Meridian Logistics", "List parcels")
	b.get("/?q=zeppelin").wants(t, http.StatusOK, "Nothing matches “zeppelin”", "Clear search")
	b.get("/search?q=create").wants(t, http.StatusOK, "Create a parcel")
}

func TestPrivateProductOfAnotherTenantDoesNotExist(t *testing.T) {
	w := newWorld(t)
	w.publish("Secret", parcels, apim.VisiblePrivate)
	for name, b := range map[string]*browser{"anonymous": w.anonymous(), "of another tenant": w.consumer("Ines Aguilar")} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{
				"/products/meridian/secret", "/apis/meridian/secret/v1", "/apis/meridian/secret/v1/plans", "/apis/meridian/secret/v1/openapi",
				"/apis/meridian/secret/v1/reference", "/apis/meridian/secret/v1/reference/list_parcels",
			} {
				got := b.get(path)
				never := b.get(strings.Replace(path, "secret", "nothing", 1))
				if got.status != http.StatusNotFound || never.status != got.status {
					t.Errorf("%s: got %d, want 404 as for what never was (%d)", path, got.status, never.status)
				}
				got.lacks(t, "List parcels", "All of Secret")
			}
			b.get("/").lacks(t, "Secret")
			b.get("/?q=secret").lacks(t, "Secret")
		})
	}
	if got := w.consumer("Bo Lund").get("/products/meridian/secret/subscribe"); got.status != http.StatusNotFound {
		t.Errorf("the form to request access: got %d, want 404", got.status)
	}
}

func TestCatalogShowsTheReadersOwnState(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	ines, bo := w.consumer("Ines Aguilar"), w.consumer("Bo Lund")
	ines.subscribe(o, o.automatic, "Checkout", "")
	bo.subscribe(o, o.manual, "Sync", "Nightly sync of 9,000 parcels.")
	ines.get("/").wants(t, http.StatusOK, "Subscribed")
	bo.get("/").wants(t, http.StatusOK, "Waiting")
	w.anonymous().get("/").lacks(t, "Subscribed", "Waiting")
	ines.get("/products/meridian/parcels").wants(t, http.StatusOK, "Your applications", "Checkout", "Active")
}

func TestDeprecatedVersionSaysUntilWhen(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	if _, _, err := w.catalog.Deprecate(t.Context(), w.provider, w.providerTenant.ID, o.version.ID, w.clock().Add(128*24*time.Hour), "Move to v2: two fields change."); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/reference", "/reference/list_parcels", "/plans"} {
		w.anonymous().get("/apis/meridian/parcels/v1"+path).wants(t, http.StatusOK, "Deprecated", "Version v1 retires on 31 March 2027, in 128 days.", "Move to v2: two fields change.")
	}
}

func TestDocumentIsDownloadedAsItWasImported(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	p := w.anonymous().get("/apis/meridian/parcels/v1/openapi")
	if p.status != http.StatusOK || p.body != parcels {
		t.Errorf("got %d and %d bytes, want 200 and the %d bytes that were imported", p.status, len(p.body), len(parcels))
	}
	if got, want := p.header.Get("Content-Disposition"), "attachment; filename=parcels-v1.yaml"; got != want {
		t.Errorf("got Content-Disposition %q, want %q", got, want)
	}
}

// A document is in memory from its first byte to its last, and nobody has to
// sign in for one: who asks for many and reads none must not fill it.
func TestLargeDocumentsGoOutAFewAtATime(t *testing.T) {
	w := newWorld(t)
	w.publish("Large", `{"openapi": "3.0.3",`+strings.Repeat(" ", 16<<20)+`"info": {"title": "Large", "version": "1"}, "paths": {"/a": {"get": {"responses": {"200": {"description": "OK"}}}}}}`, apim.VisiblePublic)
	const path = "/apis/meridian/large/v1/openapi"
	var open []net.Conn
	for range 8 {
		c := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(w.url, "http://")))
		defer c.Close()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		open = append(open, c)
	}
	becomes := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			p := w.anonymous().get(path)
			if p.status == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %d, want %d", p.status, want)
			}
		}
	}
	becomes(http.StatusServiceUnavailable)
	w.anonymous().get("/apis/meridian/large/v1").wants(t, http.StatusOK, "Large")
	for _, c := range open {
		c.Close()
	}
	becomes(http.StatusOK)
}

func TestCatalogGoesOnOnTheNextPage(t *testing.T) {
	w := newWorld(t)
	visible, listed := apim.VisiblePublic, true
	for i := range 53 {
		name := fmt.Sprintf("Product %02d", i)
		must[apim.Product](t)(w.catalog.CreateProduct(t.Context(), w.provider, w.providerTenant.ID, manager.ProductInput{Name: &name, Visibility: &visible, Listed: &listed}))
	}
	b := w.anonymous()
	first := b.get("/")
	first.wants(t, http.StatusOK, "Product 00", "Product 49")
	first.lacks(t, "Product 50")
	next := regexp.MustCompile(`href="(/\?after=[^"]+)"`).FindStringSubmatch(first.body)
	if next == nil {
		t.Fatal("the first page has no link to the next")
	}
	second := b.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	second.wants(t, http.StatusOK, "Product 50", "Product 52")
	second.lacks(t, "Product 49", `href="/?after=`)
}
