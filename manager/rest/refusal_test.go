package rest_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"portico/internal/web"
	"portico/manager/rest"
	"portico/test/postgres"
)

// Every operation that takes a body refuses the same nonsense the same way.
func TestEveryBodyIsReadStrictly(t *testing.T) { postgres.Both(t, testEveryBodyIsReadStrictly) }

func testEveryBodyIsReadStrictly(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, d := range s.contract.Operations() {
		if !d.HasBody || strings.HasSuffix(d.Path, "/imports") {
			continue
		}
		o := rest.Operation{Method: d.Method, Path: d.Path}
		token, path := s.ada, s.fill(o.Path, owner(o.Path))
		switch {
		case d.Path == "/tenants":
			token = s.operator
		case owner(o.Path) == "client":
			token = s.cem
		}
		for _, bad := range []string{"{", "nonsense", `{} {}`, "\xff"} {
			s.call(token, o.Method, path, bad).refused(400, "malformed_json")
		}
		s.call(token, o.Method, path, `[]`).refused(422, "invalid", "body")
		s.call(token, o.Method, path, `{"tenant_id":"x","role":"owner","operator":true}`).refused(422, "invalid", "tenant_id", "role", "operator")
		s.call(token, o.Method, path, `{"id":null}`).refused(422, "invalid", "id")
		s.call(token, o.Method, path, bodyFor(o), "Content-Type", "text/plain").refused(415, "unsupported_media_type")
		s.call(token, o.Method, path, `{"x":"`+strings.Repeat("x", 1<<20)+`"}`).refused(413, "body_too_large")
	}
}

func TestEveryParameterIsKnown(t *testing.T) { postgres.Both(t, testEveryParameterIsKnown) }

func testEveryParameterIsKnown(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, o := range s.edge.Operations() {
		token := s.ada
		if owner(o.Path) == "client" {
			token = s.cem
		}
		if strings.HasPrefix(o.Path, "/audit") || o.Path == "/usage" || o.Needs == "write environment" {
			token = s.operator
		}
		path := s.fill(o.Path, owner(o.Path))
		s.call(token, o.Method, path+"?colour=red", bodyFor(o)).refused(422, "invalid", "colour")
		for _, name := range o.Query {
			switch name {
			case "limit":
				for _, bad := range []string{"0", "201", "-5", "many", "", "1.5"} {
					s.call(token, o.Method, path+"?limit="+bad, nil).refused(422, "invalid", "limit")
				}
			case "cursor":
				for _, bad := range []string{"nonsense", "W10", "bnVsbA", strings.Repeat("x", 2000)} {
					s.call(token, o.Method, path+"?cursor="+bad, nil).refused(422, "invalid", "cursor")
				}
			case "wait":
				s.call(token, o.Method, path+"?wait=forever", bodyFor(o)).refused(422, "invalid", "wait")
				s.call(token, o.Method, path+"?timeout_ms=5", bodyFor(o)).refused(422, "invalid", "timeout_ms")
				for _, bad := range []string{"0", "30001", "soon"} {
					s.call(token, o.Method, path+"?wait=applied&timeout_ms="+bad, bodyFor(o)).refused(422, "invalid", "timeout_ms")
				}
			case "from", "to":
				s.call(token, o.Method, path+"?"+name+"=yesterday", nil).refused(422, "invalid", name)
			case "state", "show", "format":
				s.call(token, o.Method, path+"?"+name+"=odd", nil).refused(422, "invalid", name)
			}
		}
	}
	if got := text(s.call(s.cem, "GET", "/tenants/client/subscriptions/"+s.pending, nil).ok(200), "state"); got != "pending" {
		t.Errorf("a refused request moved the subscription to %s", got)
	}
}

func TestIdsOfAnotherKindAreNotFound(t *testing.T) { postgres.Both(t, testIdsOfAnotherKindAreNotFound) }

func testIdsOfAnotherKindAreNotFound(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, path := range []string{
		"/versions/" + s.trial, "/versions/orders", "/plans/" + s.version, "/plans/trial", "/imports/" + s.version,
		"/subscriptions/" + s.version, "/subscriptions/1", "/apis/" + s.version, "/products/" + s.version, "/apis/nothing",
		"/versions/ver_" + strings.Repeat("0", 32), "/products/prod_" + strings.Repeat("f", 32),
		"/versions/" + strings.ToUpper(s.version), "/apis/orders/versions/v9", "/offers/shop/nothing", "/offers/nobody/orders",
	} {
		s.call(s.ada, "GET", "/tenants/shop"+path, nil).refused(404, "not_found")
	}
	s.call(s.cem, "POST", "/tenants/client/credentials/"+s.application+"/revoke", nil).refused(404, "not_found")
	s.call(s.cem, "POST", "/tenants/client/subscriptions", map[string]string{"application": "till", "plan": s.version}).refused(404, "not_found")
	s.call(s.cem, "POST", "/tenants/client/subscriptions", `{}`).refused(422, "invalid", "application", "plan")
	s.call(s.ada, "POST", "/tenants/shop/products", map[string]any{"name": "Box", "versions": []string{s.trial}}).refused(422, "invalid", "versions[0]")
}

func TestUnknownAddressesAndMethods(t *testing.T) { postgres.Both(t, testUnknownAddressesAndMethods) }

func testUnknownAddressesAndMethods(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.ada, "GET", "/nothing", nil).refused(404, "no_route")
	s.call(s.ada, "GET", "/tenants/shop/", nil).refused(404, "no_route")
	s.call(s.ada, "PUT", "/tenants/shop/products", `{}`).refused(405, "method_not_allowed")
	if allow := s.call(s.ada, "PUT", "/tenants/shop/products", `{}`).Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow %q", allow)
	}
}

func TestFieldsAreCheckedAllAtOnce(t *testing.T) { postgres.Both(t, testFieldsAreCheckedAllAtOnce) }

func testFieldsAreCheckedAllAtOnce(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.ada, "POST", "/tenants/shop/products/orders/plans", `{"name":"","slug":"Not A Slug","approval":"maybe","state":"closed",
		"limits":[{"requests":0,"period_ms":60000}]}`).refused(422, "invalid", "name", "approval", "limits[0].requests", "state", "slug")
	s.call(s.ada, "POST", "/tenants/shop/products/orders/plans", `{"name":"x","limits":[{"requests":1,"period_ms":0},{"requests":1,"period_ms":99999999999999}]}`).
		refused(422, "invalid", "limits[0].period_ms", "limits[1].period_ms")
	s.call(s.ada, "POST", "/tenants/shop/versions/"+s.version+"/retire", `{"reason":"`+strings.Repeat("x", 3000)+`"}`).refused(422, "invalid", "reason")
	s.call(s.ada, "POST", "/tenants/shop/subscriptions/"+s.pending+"/reject", `{}`).refused(422, "invalid", "reason")
	s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"name":7,"tags":["a",8]}`).refused(422, "invalid", "name", "tags[1]")
	s.call(s.cem, "POST", "/tenants/client/applications/till/credentials", map[string]string{"environment": "moon"}).refused(422, "invalid", "environment")
	s.call(s.cem, "POST", "/tenants/client/applications/till/credentials", map[string]string{"expires_at": "2001-01-01T00:00:00Z"}).refused(422, "invalid", "expires_at")
	s.call(s.cem, "POST", "/tenants/client/applications/till/credentials", map[string]string{"expires_at": "tomorrow"}).refused(422, "invalid", "expires_at")
}

func TestDocumentsComeInManyWays(t *testing.T) { postgres.Both(t, testDocumentsComeInManyWays) }

func testDocumentsComeInManyWays(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	yaml := "openapi: 3.1.0\ninfo: {title: Parcels, version: '2'}\nservers: [{url: 'https://parcels.example'}]\npaths:\n  /parcels:\n    get: {operationId: list, responses: {'200': {description: OK}}}\n"
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/openapi.yaml" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(yaml))
	}))
	defer upstream.Close()
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, _ := writer.CreateFormFile("file", "parcels.yaml")
	_, _ = part.Write([]byte(yaml))
	_ = writer.Close()

	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	file, _ := z.Create("api/openapi.yaml")
	_, _ = file.Write([]byte(yaml))
	_ = z.Close()
	zipForm, zipMedia := filesForm("parts.zip", archive.String())
	folderForm, folderMedia := filesForm("api/openapi.yaml", yaml, "api/more/part.yaml", "a: b", "api/notes.txt", "no document")

	const path = "/tenants/shop/imports"
	for name, c := range map[string]struct{ query, body, media, source string }{
		"JSON as it is":   {"", ordersDocument, "application/json", "document.json"},
		"YAML as it is":   {"", yaml, "application/yaml", "document.yaml"},
		"with its name":   {"?file_name=parcels.yml", yaml, "application/yaml", "parcels.yml"},
		"a form":          {"", form.String(), writer.FormDataContentType(), "parcels.yaml"},
		"by its address":  {"", `{"url":"` + upstream.URL + `/openapi.yaml"}`, "application/json", upstream.URL + "/openapi.yaml"},
		"a zip":           {"?file_name=parts.zip", archive.String(), "application/zip", "parts.zip › api/openapi.yaml"},
		"a zip in a form": {"", zipForm, zipMedia, "parts.zip › api/openapi.yaml"},
		"a folder":        {"", folderForm, folderMedia, "api/openapi.yaml"},
		"a folder's file": {"?root=api/openapi.yaml", folderForm, folderMedia, "api/openapi.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.call(s.ada, "POST", path+c.query, c.body, "Content-Type", c.media).ok(201)
			document := got["document"].(map[string]any)
			if document["operations"] == 0.0 || text(document, "source") != c.source {
				t.Errorf("document %v", document)
			}
			if again := s.call(s.ada, "GET", path+"/"+text(got, "id"), nil).ok(200); text(again, "id") != text(got, "id") {
				t.Errorf("staged %v", again)
			}
		})
	}
	var odd bytes.Buffer
	oddWriter := multipart.NewWriter(&odd)
	_ = oddWriter.WriteField("url", "https://example.com")
	_ = oddWriter.Close()
	var none bytes.Buffer
	noneWriter := multipart.NewWriter(&none)
	_ = noneWriter.Close()
	outside, outsideMedia := filesForm("../openapi.yaml", yaml, "b.yaml", "a: b")
	for name, c := range map[string]struct {
		query, body, media string
		status             int
	}{
		"nothing":             {"", "", "application/json", 422},
		"no document":         {"", `{"title":"x"}`, "application/json", 422},
		"half a document":     {"", ordersDocument[:200], "application/json", 422},
		"text":                {"", "hello", "text/plain", 415},
		"no content type":     {"", ordersDocument, "", 415},
		"root of one file":    {"?root=x.yaml", yaml, "application/yaml", 422},
		"no such root":        {"?root=x.yaml", folderForm, folderMedia, 422},
		"a way out":           {"", outside, outsideMedia, 422},
		"half a zip":          {"", archive.String()[:40], "application/zip", 422},
		"another field":       {"", odd.String(), oddWriter.FormDataContentType(), 422},
		"no file":             {"", none.String(), noneWriter.FormDataContentType(), 422},
		"broken form":         {"", "--x\r\nnonsense", "multipart/form-data; boundary=x", 400},
		"no boundary":         {"", "x", "multipart/form-data", 400},
		"address of a file":   {"", `{"url":"file:///etc/passwd"}`, "application/json", 422},
		"address of nothing":  {"", `{"url":"` + upstream.URL + `/missing"}`, "application/json", 422},
		"address with a name": {"?file_name=x", `{"url":"` + upstream.URL + `/openapi.yaml"}`, "application/json", 422},
		"address and more":    {"", `{"url":"` + upstream.URL + `/openapi.yaml","file":"x"}`, "application/json", 422},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.call(s.ada, "POST", path+c.query, c.body, "Content-Type", c.media)
			a.refused(c.status, refusalCode(t, a), fieldsOf(a)...)
		})
	}
	half := s.call(s.ada, "POST", path, ordersDocument[:200])
	if fields := fieldsOf(half); len(fields) != 1 || !strings.HasPrefix(fields[0], "document") {
		t.Errorf("half a document: %v", fields)
	}
}

// filesForm is a form with files: name, text, name, text.
func filesForm(files ...string) (body, media string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		part, _ := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="` + files[i] + `"`}, "Content-Type": {"application/octet-stream"},
		})
		_, _ = part.Write([]byte(files[i+1]))
	}
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

func fieldsOf(a answer) []string {
	var p web.Problem
	_ = json.Unmarshal(a.Body, &p) // refused says when it is none
	var fields []string
	for _, f := range p.Errors {
		fields = append(fields, f.Field)
	}
	return fields
}

func TestStagedImportsEnd(t *testing.T) { postgres.Both(t, testStagedImportsEnd) }

func testStagedImportsEnd(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	fresh := text(s.call(s.ada, "POST", "/tenants/shop/imports", ordersDocument).ok(201), "id")
	s.pass(25 * time.Hour)
	s.call(s.ada, "GET", "/tenants/shop/imports/"+fresh, nil).refused(404, "not_found")
	s.call(s.ada, "POST", "/tenants/shop/imports/"+fresh+"/accept", `{}`).refused(404, "not_found")
}

func TestDocumentIsDownloadedAsItCame(t *testing.T) {
	postgres.Both(t, testDocumentIsDownloadedAsItCame)
}

func testDocumentIsDownloadedAsItCame(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	a := s.call(s.ada, "GET", "/tenants/shop/versions/"+s.version+"/document", nil)
	if a.Status != 200 || string(a.Body) != ordersDocument || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %.80s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("Content-Disposition %q", got)
	}
	s.call(s.ada, "GET", "/tenants/shop/versions/"+s.version+"/findings?limit=5", nil).ok(200)
}

func TestCatalogShowsWhatIsOffered(t *testing.T) { postgres.Both(t, testCatalogShowsWhatIsOffered) }

func testCatalogShowsWhatIsOffered(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	offers := items(s.call(s.cem, "GET", "/tenants/client/offers?search=orders", nil).ok(200))
	if len(offers) != 1 || len(offers[0]["plans"].([]any)) != 2 || len(offers[0]["versions"].([]any)) != 1 {
		t.Fatalf("offers %v", offers)
	}
	offer := s.call(s.cem, "GET", "/tenants/client/offers/shop/orders", nil).ok(200)
	if text(offer["provider"].(map[string]any), "name") != "The shop" {
		t.Errorf("offer %v", offer)
	}
	if got := items(s.call(s.cem, "GET", "/tenants/client/offers?search=nothing-like-it", nil).ok(200)); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}
