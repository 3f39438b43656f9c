package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portico/manager"
)

// TestEveryPageIsWhole walks every link from the overview and holds each page to
// what all pages promise.
func TestEveryPageIsWhole(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	s.ask(actor, tenant.ID, growth, "Checkout", "For the <script>alert(1)</script> shop")
	staged := b.upload("/t/acme/import", "orders.yaml", ordersDocument, "from", "upload")

	seen := map[string]bool{}
	queue := []string{"/", staged.path, "/tenants", "/t/acme/apis/orders/v1/retire", "/t/acme/nothing"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		plain, _, _ := strings.Cut(path, "#")
		if key := shape(plain); seen[key] || strings.HasPrefix(plain, "/assets/") {
			continue
		} else {
			seen[key] = true
		}
		a := b.get(plain)
		if a.status != http.StatusOK && plain != "/t/acme/nothing" {
			t.Errorf("%s: a link leads to status %d", plain, a.status)
			continue
		}
		if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			whole(t, a)
			queue = append(queue, a.links()...)
		}
	}
	if len(seen) < 30 {
		t.Errorf("walked only %d pages", len(seen))
	}
}

// shape leaves out what makes two addresses of one page differ.
func shape(path string) string {
	return regexp.MustCompile(`(polls|since|cursor|q)=[^&]*`).ReplaceAllString(path, "")
}

func whole(t *testing.T, a answer) {
	t.Helper()
	if n := strings.Count(a.body, "<h1"); n != 1 {
		t.Errorf("%s: has %d h1", a.path, n)
	}
	for _, bad := range []struct{ what, pattern string }{
		{"an inline style", `<[^>]+\sstyle=`},
		{"a style element", `<style`},
		{"an inline script", `<script(?:\s[^>]*)?>[^<]`},
		{"a script attribute", `<[^>]+\son[a-z]+=`},
		{"an htmx script", `hx-on`},
		{"a link to nowhere", `href=""|href="#"`},
		{"something unwritten", `%!|<nil>|\{\{`},
		{"a script of somebody's", `<script>alert`},
		{"an exclamation mark", `>[^<]*[a-z]![^<]*<`},
	} {
		if found := regexp.MustCompile(bad.pattern).FindString(a.body); found != "" {
			t.Errorf("%s: has %s: %s", a.path, bad.what, found)
		}
	}
	if !regexp.MustCompile(`<title>[^<]+</title>`).MatchString(a.body) || !strings.Contains(a.body, `lang="en"`) {
		t.Errorf("%s: has no title or language", a.path)
	}
	csp := a.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: Content-Security-Policy is %q", a.path, csp)
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		if ids[id[1]] {
			t.Errorf("%s: the id %q is there twice", a.path, id[1])
		}
		ids[id[1]] = true
	}
	labelled(t, a)
}

// labelled checks that every control has a name that is read out.
func labelled(t *testing.T, a answer) {
	t.Helper()
	for _, control := range regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`).FindAllString(a.body, -1) {
		if strings.Contains(control, `type="hidden"`) || strings.Contains(control, "aria-label=") {
			continue
		}
		id := regexp.MustCompile(`\sid="([^"]+)"`).FindStringSubmatch(control)
		if id != nil && strings.Contains(a.body, `for="`+id[1]+`"`) {
			continue
		}
		at := strings.Index(a.body, control)
		before := a.body[:at]
		if strings.LastIndex(before, "<label") <= strings.LastIndex(before, "</label>") {
			t.Errorf("%s: a control has no label: %s", a.path, control)
		}
	}
}

func TestPaletteFindsPagesAPIsAndProducts(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.get("/t/acme/palette?q=ord").shows(http.StatusOK, "Orders", "v1 · published")
	b.get("/t/acme/palette?q=shop").shows(http.StatusOK, "Shop", "2 plans")
	b.get("/t/acme/palette?q=zzz").shows(http.StatusOK, "Nothing matches")
	req := b.request(http.MethodGet, "/t/acme/palette?q=appro", "", nil)
	req.Header.Set("HX-Request", "true")
	a := b.send(req).shows(http.StatusOK, "Appro vals") // what was searched for is marked
	if strings.Contains(a.body, "<html") || !strings.Contains(a.body, `role="option"`) {
		t.Error("the palette gets a page, not results")
	}
}

// TestPaletteLeadsWithWhatWasNamed: an API whose short name was typed comes
// before others that only hold it, however many there are.
func TestPaletteLeadsWithWhatWasNamed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	tenant := s.tenantID("acme")
	s.offer(tenant)
	ctx, actor := t.Context(), system()
	for i := range 7 { // more than the palette shows
		staged, err := s.catalog.StageImport(ctx, actor, tenant, manager.Upload{FileName: "orders.yaml", Body: strings.NewReader(ordersDocument)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.catalog.AcceptImport(ctx, actor, tenant, staged.ID, manager.AcceptImport{
			Name: fmt.Sprintf("All orders %d", i), Slug: fmt.Sprintf("all-orders-%d", i), Label: "v1", Upstream: "https://orders.internal.example/v1", Access: "document",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a := b.get("/t/acme/palette?q=Orders")
	if mine, others := strings.Index(a.body, `href="/t/acme/apis/orders/v1"`), strings.Index(a.body, `href="/t/acme/apis/all-orders-0/v1"`); mine < 0 || others < 0 || mine > others {
		t.Errorf("got the API named orders at %d, others from %d", mine, others)
	}
}

func TestErrorPagesKeepTheWayOut(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.get("/t/acme/apis/none/v1").shows(http.StatusNotFound, "Nothing here", "Approvals", "Go to the overview")
	b.get("/nowhere").shows(http.StatusNotFound, "Nothing here")
	b.get("/t/acme/apis?state=odd").shows(http.StatusNotFound)
	b.get("/t/acme/import/imp_x").shows(http.StatusNotFound)
	a := b.get("/t/acme/apis/none/v1")
	id := a.header.Get("X-Request-Id")
	if id == "" || !strings.Contains(a.body, id) {
		t.Errorf("the page does not name its request %q", id)
	}
}

func TestDialogComesAloneWhereAScriptAsks(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	req := b.request(http.MethodGet, "/t/acme/apis/orders/v1/upstream", "", nil)
	req.Header.Set("HX-Request", "true")
	req.Header.Set("HX-Target", "dialogs")
	a := b.send(req).shows(http.StatusOK, "Upstream of Orders v1")
	if strings.Contains(a.body, "<html") || !strings.Contains(a.body, "<dialog") {
		t.Error("a dialog was asked for and something else came")
	}
}

func firstMatch(t *testing.T, body, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return entity.Replace(found[1])
}
