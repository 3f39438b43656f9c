package console_test

import (
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// folder sends files as a browser sends a folder: each with its path.
func (b *browser) folder(path string, root string, files ...string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.WriteField("from", "folder") // a bytes.Buffer takes all
	_ = w.WriteField("root", root)
	for i := 0; i+1 < len(files); i += 2 {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="` + files[i] + `"`}, "Content-Type": {"application/octet-stream"},
		})
		if err == nil {
			_, err = io.WriteString(part, files[i+1])
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	return b.send(b.request(http.MethodPost, path, w.FormDataContentType(), &body))
}

// found is what a pattern's group matches in the page.
func (a answer) found(pattern string) string {
	a.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("%s: nothing matches %s", a.path, pattern)
	}
	return m[1]
}

// TestReimportShowsWhatChangesAndAsksOnlyWhereBothDid.
func TestReimportShowsWhatChangesAndAsksOnlyWhereBothDid(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://mine.internal.example\nhttps://mine-too.internal.example").shows(http.StatusOK, "Upstream saved")
	newer := strings.NewReplacer("https://orders.internal.example/v1", "https://new.internal.example",
		"operationId: getOrder", "operationId: readOrder", "paths:\n", "paths:\n  /refunds:\n    post: {operationId: refund, responses: {\"201\": {description: Made}}}\n").Replace(ordersDocument)
	if newer == ordersDocument {
		t.Fatal("the documents are the same")
	}
	a := b.upload("/t/acme/import?api=orders&label=v1", "orders.yaml", newer, "from", "upload")
	a.shows(http.StatusOK, "Replaces the draft of Orders v1", "Changes to the draft", "added", "/refunds", "renamed", "was getOrder",
		"https://mine.internal.example, https://mine-too.internal.example", "edited in the draft; the document had https://orders.internal.example/v1 and has https://new.internal.example now")
	a = b.post(strings.Split(a.path, "?")[0], "api", a.found(`value="(api_[0-9a-f]+)"`), "label", "v1", "server", "keep", "access", "document")
	a.shows(http.StatusOK, "unpublished changes")
	b.get("/t/acme/apis/orders/v1/upstream").shows(http.StatusOK, "https://mine.internal.example https://mine-too.internal.example")

	a = b.upload("/t/acme/import?api=orders&label=v1", "orders.yaml", newer, "from", "upload")
	a.shows(http.StatusOK, "The operations are the same")
	b.post(strings.Split(a.path, "?")[0]+"/check", "api", a.found(`value="(api_[0-9a-f]+)"`), "label", "v2").shows(http.StatusOK, "Adds a draft v2").hides("Changes to the draft")
}

// TestConflictInAnOperationIsSettledInTheForm.
func TestConflictInAnOperationIsSettledInTheForm(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	open := strings.Replace(ordersDocument, "operationId: listOrders", "operationId: listOrders\n      security: []", 1)
	for _, c := range []struct{ take, want string }{{"mine", "Callers with a key"}, {"new", "Everybody"}} {
		a := b.upload("/t/acme/import?api=orders&label=v1", "orders.yaml", open, "from", "upload")
		a.shows(http.StatusOK, "Who may call listOrders", "As the document says now")
		a = b.post(strings.Split(a.path, "?")[0], "api", a.found(`value="(api_[0-9a-f]+)"`), "label", "v1", "server", "keep", "access", "document", "take:access:listOrders", c.take)
		a.shows(http.StatusOK, "The draft of Orders v1 is made")
		b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://x.internal.example")
		if c.take == "mine" { // so that the document is new once more
			a = b.upload("/t/acme/import?api=orders&label=v1", "orders.yaml", ordersDocument, "from", "upload")
			b.post(strings.Split(a.path, "?")[0], "api", a.found(`value="(api_[0-9a-f]+)"`), "label", "v1", "server", "keep", "access", "document").shows(http.StatusOK, "is made")
		}
	}
	ask := b.get("/t/acme/apis/orders/v1/publish").shows(http.StatusOK)
	ask.shows(http.StatusOK, "2 without a key")
}

// TestFolderIsImportedAndAsksWhereItBegins.
func TestFolderIsImportedAndAsksWhereItBegins(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	split := strings.Replace(ordersDocument, "paths:\n", "paths:\n  /extra: {$ref: \"parts/extra.yaml\"}\n  /lost: {$ref: \"parts/lost.yaml\"}\n", 1)
	extra := "get:\n  operationId: extra\n  responses: {\"200\": {description: Fine}}\n"
	b.get("/t/acme/import?from=folder").shows(http.StatusOK, "File to begin with").has("webkitdirectory")
	a := b.folder("/t/acme/import", "", "api/openapi.yaml", split, "api/parts/extra.yaml", extra, "api/other.yaml", ordersDocument, "api/logo.png", "x")
	a.shows(http.StatusUnprocessableEntity)
	if err := a.fieldError("root"); !strings.Contains(err, "api/openapi.yaml, api/other.yaml") {
		t.Errorf("got %q, want both documents", err)
	}
	b.folder("/t/acme/import", "api/openapi.yaml", "api/openapi.yaml", split, "api/parts/extra.yaml", extra, "api/other.yaml", ordersDocument).
		shows(http.StatusOK, "Import Orders", "Files", "begins here", "api/parts/extra.yaml", "/extra", "api/openapi.yaml line", "parts/lost.yaml")
	b.folder("/t/acme/import", "", "api/logo.png", "x", "api/notes.txt", "y").shows(http.StatusUnprocessableEntity).fieldError("file")
}

// TestSwaggerIsCalledByItsName.
func TestSwaggerIsCalledByItsName(t *testing.T) {
	b := newSite(t).operator()
	b.upload("/t/acme/import", "old.json", `{"swagger":"2.0","info":{"title":"Old","version":"1"},"host":"old.example","paths":{"/a":{"get":{"operationId":"a","responses":{"200":{"description":"Fine"}}}}}}`, "from", "upload").
		shows(http.StatusOK, "Import Old", "Swagger 2.0", "https://old.example")
}

// TestAnotherSourceKeepsWhatWasTyped: mending a document and reading it again.
func TestAnotherSourceKeepsWhatWasTyped(t *testing.T) {
	b := newSite(t).operator()
	a := b.upload("/t/acme/import", "orders.yaml", ordersDocument, "from", "upload")
	typed := url.Values{"name": {"My orders"}, "slug": {"mine"}, "label": {"v9"}, "mount": {"/acme/here"}, "server": {"other"}, "other": {"https://mine.example"}, "access": {"document"}, "once": {"x"}}
	a.has(`formmethod="get"`)
	again := b.get("/t/acme/import?"+typed.Encode()).shows(http.StatusOK, "Read the document")
	a = b.upload(html.UnescapeString(again.found(`action="(/t/acme/import[^"]*)"`)), "orders.yaml", ordersDocument, "from", "upload")
	for _, want := range []string{`value="My orders"`, `value="mine"`, `value="v9"`, `value="/acme/here"`, `value="https://mine.example"`} {
		a.has(want)
	}
}
