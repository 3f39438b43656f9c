package portal_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

// hostile is a document by somebody who wants to run a script in the reader's
// browser, or to lead them elsewhere.
const hostile = `openapi: 3.1.0
info:
  title: "<script>alert('title')</script>"
  version: "1"
  description: |
    <script>alert('html')</script> <img src=x onerror=alert(1)> <b onclick=alert(1)>bold</b>

    [script](javascript:alert('link')) [data](data:text/html,<script>alert(1)</script>) ![image](https://tracker.example/p.png)
    [relative](/sign-out) [good](https://good.example/page) <https://auto.example> <javascript:alert(2)>

    # A heading
servers: [{url: 'https://upstream.example'}]
tags:
  - {name: "\"><svg onload=alert('tag')>"}
paths:
  /a:
    get:
      operationId: "x\"><script>alert('id')</script>"
      summary: "<img src=x onerror=alert('summary')>"
      tags: ["\"><svg onload=alert('tag')>"]
      description: "<iframe src=javascript:alert('operation')></iframe> [here](vbscript:x)"
      externalDocs: {url: "javascript:alert('docs')"}
      parameters:
        - name: "\"><script>alert('name')</script>"
          in: query
          required: true
          description: "<script>alert('parameter')</script>"
          example: "'; rm -rf / #$(id)</script><script>alert('example')</script>"
          schema: {type: string, enum: ["</code><script>alert('enum')</script>"]}
      responses:
        '200':
          description: "<style>*{display:none}</style><script>alert('answer')</script>"
          content:
            application/json:
              example: {a: "</pre><script>alert('json')</script>"}
`

var (
	handlers = regexp.MustCompile(`(?i)<[^>]*\son[a-z]+\s*=`)
	headings = regexp.MustCompile(`<h1[ >]`)
	scripts  = regexp.MustCompile(`(?is)<script([^>]*)>(.*?)</script>`)
	links    = regexp.MustCompile(`(?i)(?:href|src|action)="([^"]*)"`)
	ids      = regexp.MustCompile(`\sid="([^"]*)"`)
)

// soundness fails the test when a page breaks what holds for all of them.
func soundness(t *testing.T, where string, p page) {
	t.Helper()
	if n := len(headings.FindAllString(p.body, -1)); n != 1 {
		t.Errorf("%s has %d first headings, want 1", where, n)
	}
	for _, s := range scripts.FindAllStringSubmatch(p.body, -1) {
		if !strings.Contains(s[1], `src="/assets/`) || strings.TrimSpace(s[2]) != "" {
			t.Errorf("%s has an inline script: %s", where, s[0])
		}
	}
	outside := attributesOnly(p.body)
	if strings.Contains(outside, "<style") || regexp.MustCompile(`<[^>]*\sstyle\s*=`).MatchString(outside) {
		t.Errorf("%s has an inline style", where)
	}
	if m := handlers.FindString(outside); m != "" {
		t.Errorf("%s has an event handler: %s", where, m)
	}
	for _, m := range links.FindAllStringSubmatch(outside, -1) {
		for _, scheme := range []string{"javascript:", "data:", "vbscript:"} {
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(m[1])), scheme) {
				t.Errorf("%s leads to %s", where, m[1])
			}
		}
	}
	seen := map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(outside, -1) {
		if seen[m[1]] {
			t.Errorf("%s has the id %q twice", where, m[1])
		}
		seen[m[1]] = true
	}
	for _, want := range []string{`<html lang="en"`, `<title>`, `href="#main"`, `id="main"`} {
		if !strings.Contains(p.body, want) {
			t.Errorf("%s lacks %s", where, want)
		}
	}
	if got := p.header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
		t.Errorf("%s has the policy %q", where, got)
	}
}

// attributesOnly leaves out what is text between tags, where anything may
// stand once it is escaped, and blanks quoted values' angle brackets.
func attributesOnly(body string) string {
	return strings.Join(tags.FindAllString(body, -1), "\n")
}

func TestHostileDescriptionsAreHarmless(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Hostile", hostile, apim.VisiblePublic)
	w.load(o.version)
	evil := "<script>alert('product')</script> [x](javascript:alert(1))"
	_, _, err := w.catalog.UpdateProduct(t.Context(), w.provider, w.providerTenant.ID, o.product.ID, productText(evil))
	if err != nil {
		t.Fatal(err)
	}
	b := w.anonymous()
	pages := []string{"/", "/?q=" + "alert", "/products/meridian/hostile", "/apis/meridian/hostile/v1", "/apis/meridian/hostile/v1/reference", "/apis/meridian/hostile/v1/plans"}
	list := b.get("/apis/meridian/hostile/v1/reference")
	for _, m := range regexp.MustCompile(`href="(/apis/meridian/hostile/v1/reference/[^"]+)"`).FindAllStringSubmatch(list.body, -1) {
		for _, language := range []string{"", "?lang=javascript", "?lang=python", "?lang=go", "?lang=curl"} {
			pages = append(pages, m[1]+language)
		}
	}
	if len(pages) < 10 {
		t.Fatalf("the operation has no page: %s", list.text())
	}
	for _, path := range pages {
		p := b.get(path)
		if p.status != http.StatusOK {
			t.Errorf("%s: got %d", path, p.status)
		}
		soundness(t, path, p)
		p.lacks(t, "tracker.example/p.png\" alt", "<iframe", "<img src=x", "<svg onload")
	}
	overview := b.get("/apis/meridian/hostile/v1").body
	if !strings.Contains(overview, `href="https://good.example/page"`) {
		t.Error("a good link is gone as well")
	}
	if strings.Contains(overview, `href="/sign-out"`) {
		t.Error("a relative link of the provider's leads into the portal")
	}
}

func TestEveryPageIsSound(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.manual, "Checkout", "Delivery dates.")
	sub := b.last
	bare := sub[:strings.IndexAny(sub+"?", "?")]
	b.post(app+"/keys", "nonce", "k")
	signedIn := []string{
		"/", "/?q=parcel", "/?q=zeppelin", "/products/meridian/parcels", "/products/meridian/parcels/subscribe", "/apis/meridian/parcels/v1",
		"/apis/meridian/parcels/v1/plans", "/apis/meridian/parcels/v1/reference", "/apis/meridian/parcels/v1/reference?filter=x",
		"/apis/meridian/parcels/v1/reference/list_parcels", "/apis/meridian/parcels/v1/reference/parcels%2Fcreate", "/applications", "/applications/new",
		app, app + "?fresh=k", app + "/edit", app + "/delete", "/account", "/invitation?token=x", app + "/keys/new", sub, bare + "/withdraw", bare + "/cancel", "/docs/problems", "/docs/problems/rate_limited", "/nothing", "/applications/nothing",
	}
	for _, path := range signedIn {
		soundness(t, path, b.get(path))
	}
	a := w.anonymous()
	for _, path := range []string{"/", "/sign-in", "/sign-up", "/products/meridian/parcels", "/docs/problems", "/nothing"} {
		soundness(t, path+" (anonymous)", a.get(path))
	}
	soundness(t, "a refused form", b.post("/applications", "name", ""))
	soundness(t, "a refused sign-in", a.post("/sign-in", "email", "x", "password", "y"))
}

func TestEveryLinkOfEveryPageLeadsSomewhere(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	queue := []string{"/", app, b.last}
	seen := map[string]bool{}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		p := b.get(path)
		if p.status != http.StatusOK {
			t.Errorf("%s: got %d", path, p.status)
			continue
		}
		if !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:href|hx-get)="(/[^"#]*)`).FindAllStringSubmatch(p.body, -1) {
			queue = append(queue, strings.ReplaceAll(m[1], "&amp;", "&"))
		}
	}
	if len(seen) < 40 {
		t.Errorf("the walk saw %d addresses, want at least 40", len(seen))
	}
}

func TestEveryErrorCodeHasAPage(t *testing.T) {
	w := newWorld(t)
	b := w.anonymous()
	for _, code := range []string{
		"no_route", "version_missing", "version_unknown", "version_ambiguous", "method_not_allowed", "credential_missing", "credential_invalid", "credential_expired", "subscription_missing", "subscription_pending",
		"subscription_suspended", "operation_not_in_plan", "rate_limited", "spike_arrested", "concurrency_limited", "quota_exhausted", "request_invalid", "media_type_not_supported", "not_acceptable", "answer_invalid", "upstream_unreachable", "upstream_timeout", "not_ready",
	} {
		b.get("/docs/problems/"+code).wants(t, http.StatusOK, "What happened", "What it means", "What to do", code)
		b.get("/docs/problems").wants(t, http.StatusOK, code)
	}
	for _, code := range []string{"nothing", "RATE_LIMITED", "rate_limited%00", "..%2f..%2fetc"} {
		if p := b.get("/docs/problems/" + code); p.status != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", code, p.status)
		}
	}
}

func TestErrorPagesSayWhatToDo(t *testing.T) {
	w := newWorld(t)
	b := w.anonymous()
	b.get("/nothing").wants(t, http.StatusNotFound, "There is nothing here", "Sign in", "Request")
	w.consumer("Ines Aguilar").get("/nothing").wants(t, http.StatusNotFound, "There is nothing here", "To the catalog")
}

func productText(description string) manager.ProductInput {
	return manager.ProductInput{Description: &description, Summary: &description}
}
