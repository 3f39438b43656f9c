package browser_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"portico/test/process"
)

// walk is the way of the product from the printed link to the first call, with
// the two people who go it.
type walk struct {
	t        *testing.T
	scripted bool
	portico  *process.Process
	museum   *museum
	operator *tab
	consumer *tab

	application string // the address of the consumer's application
	subscribed  string // the address of its subscription
	key         string
}

func TestFromFirstRunToFirstCall(t *testing.T) { walkThrough(t, true) }

func TestFromFirstRunToFirstCallWithoutJavaScript(t *testing.T) { walkThrough(t, false) }

func walkThrough(t *testing.T, scripted bool) {
	p := start(t)
	w := &walk{t: t, scripted: scripted, portico: p, museum: newMuseum(t), operator: openAt(t, p.Console), consumer: openAt(t, p.Portal)}
	if !scripted {
		w.operator.withoutScript()
		w.consumer.withoutScript()
	}
	w.step("the printed link makes the operator", w.becomeOperator)
	w.step("the link works once", w.linkIsUsedUp)
	w.step("a document is previewed and becomes a draft", w.importMuseum)
	w.step("the draft is published and the page says where it is live", w.publish)
	w.step("a product offers it on two plans", w.offer)
	w.step("a consumer signs up", w.signUp)
	w.step("finds the product by search, and reads the reference", w.read)
	w.step("requests access with a reason", w.request)
	w.step("the operator approves", w.approve)
	w.step("the consumer sees it and makes a key, shown once", w.mint)
	w.step("the key opens the API", w.callIt)
	w.operator.quiet("410 (Gone)") // the used link
	w.consumer.quiet()
}

// step is one part of the walk. What comes after a failed one is not tried.
func (w *walk) step(what string, do func()) {
	w.t.Helper()
	if !w.t.Run(what, func(t *testing.T) {
		w.operator.t, w.consumer.t = t, t
		do()
	}) {
		w.t.FailNow()
	}
	w.operator.t, w.consumer.t = w.t, w.t
}

func (w *walk) becomeOperator() {
	o := w.operator
	o.visit(w.portico.FirstRun)
	o.sees("Make the first operator", "own the tenant Demo")
	o.fill("Your name", "Olga Operator")
	o.fill("E-mail", "olga@demo.example")
	o.fill("Password", "a long enough password")
	o.follow("Make operator")
	o.sees("Overview", "Parcels")
}

func (w *walk) linkIsUsedUp() {
	o := w.operator
	o.visit(w.portico.FirstRun)
	o.sees("This link is not valid any more")
	o.visit("/")
	o.sees("Overview")
}

func (w *walk) importMuseum() {
	o := w.operator
	o.follow("Import OpenAPI")
	o.follow("Paste")
	o.fill("Document", w.museum.document)
	o.follow("Read the document")
	o.sees("What it becomes", "Findings of the scan", "Operations", "/museum-hours", "Security", "API key")
	o.press("Another address")
	o.fill("Other address", w.museum.upstream)
	o.fill("Slug", "museum")
	o.fill("Version", "v1")
	o.keys(kb.Tab) // the preview follows a field that is left
	if w.scripted {
		o.sees(w.portico.Gateway + "/demo/museum/v1")
	}
	o.follow("Make draft")
	o.sees(w.museum.title, "Draft", "/museum-hours", w.museum.upstream, "/demo/museum/v1")
}

func (w *walk) publish() {
	o := w.operator
	if w.scripted {
		o.press("Publish r1")
		o.until("the dialog is open", `document.querySelector('dialog:modal')`)
	} else {
		o.follow("Publish r1")
	}
	o.fill("Note", "Opening day")
	o.follow("Publish")
	o.sees("v1 r1 is live on 1 of 1 node", "Published")
}

func (w *walk) offer() {
	o := w.operator
	o.follow("Products & plans")
	o.follow("New product")
	o.fill("Name", "Museum visits")
	o.fill("Summary", "Opening hours, events and tickets.")
	o.tick(w.museum.title + " v1")
	o.tick("List in the catalog")
	o.follow("Make product")
	for _, plan := range []struct{ name, approval, requests, price string }{
		{"Look around", "Automatic", "30", ""},
		{"Partner", "By a person", "600", "€ 20 a month"},
	} {
		o.follow("New plan")
		o.fill("Name", plan.name)
		o.fill("Requests", plan.requests)
		o.fill("Price", plan.price)
		o.press(plan.approval)
		o.tick("Publish it now")
		o.follow("Make plan")
		o.sees(plan.name, plan.requests)
	}
	o.sees("In the catalog", "Look around", "Partner")
}

func (w *walk) signUp() {
	c := w.consumer
	c.visit("/")
	c.follow("Sign in")
	c.follow("Create one")
	c.fill("Name", "Carla Consumer")
	c.fill("E-mail", "carla@travel.example")
	c.fill("Password", "another long password")
	c.fill("Organisation", "Travel Company")
	c.follow("Create account")
	c.sees("Carla Consumer")
}

func (w *walk) read() {
	c := w.consumer
	c.follow("Catalog")
	if w.scripted {
		c.fill("Search the catalog", "museum")
		c.until("the results come while she types", `location.search === '?q=museum'`)
	} else {
		c.fill("Search the catalog", "museum")
		c.arrives("the results", func() { c.keys("\r") })
	}
	c.sees("Museum visits", "Get museum hours")
	c.follow("Get museum hours")
	c.sees("GET", "/museum-hours", w.portico.Gateway+"/demo/museum/v1/museum-hours", "$PORTICO_KEY")
	c.follow("Catalog")
	c.follow("Museum visits")
	c.sees("Look around", "Partner", "€ 20 a month")
}

func (w *walk) request() {
	c := w.consumer
	c.follow("Get access")
	c.fill("Name of your first application", "Travel planner")
	c.press("Partner")
	c.fill("What will you use it for?", "Opening hours in our city guide, 2,000 calls a day from May.")
	if w.scripted {
		c.sees("Partner needs approval")
		c.follow("Request access")
	} else {
		c.hides("approved at once: your keys")
		c.follow("Get access")
	}
	c.sees("Pending", "Museum visits")
	w.subscribed = c.run(`location.href`)
}

func (w *walk) approve() {
	o := w.operator
	o.follow("Approvals")
	o.sees("Travel planner", "Travel Company", "Opening hours in our city guide, 2,000 calls a day from May.")
	if w.scripted {
		o.arrives("the answer to A", func() { o.keys("a") })
	} else {
		o.arrives("the answer to Approve", func() { o.pressOn("Approve below the request", `document.querySelector('.panel-f [data-key=a]')`) })
	}
	o.sees("in force on 1 of 1 node")
}

func (w *walk) mint() {
	c := w.consumer
	c.visit(w.subscribed)
	c.sees("Active")
	c.follow("Make a key")
	c.sees("Copy your new key now")
	w.key = c.run(`document.querySelector('#fresh-secret').textContent.trim()`)
	if !strings.HasPrefix(w.key, "portico_live_") {
		c.t.Fatalf("the key is %q", w.key)
	}
	w.application = c.run(`location.href`)
	c.visit(w.application)
	c.sees("Credentials")
	c.hasNot(w.key, "Copy your new key now")
	c.sees(w.key[:len("portico_live_")+4])
}

func (w *walk) callIt() {
	url := w.portico.Gateway + "/demo/museum/v1/museum-hours?startDate=2026-11-23"
	if status, body := get(w.consumer.t, url, ""); status != http.StatusUnauthorized || !strings.Contains(body, "credential_missing") {
		w.consumer.t.Errorf("without a key: got %d %s, want 401 credential_missing", status, body)
	}
	deadline := time.Now().Add(actionTime)
	status, body := get(w.consumer.t, url, w.key)
	for ; status != http.StatusOK && time.Now().Before(deadline); status, body = get(w.consumer.t, url, w.key) {
		time.Sleep(10 * time.Millisecond)
	}
	if status != http.StatusOK || !strings.Contains(body, "timeClose") {
		w.consumer.t.Fatalf("with the key: got %d %s, want 200", status, body)
	}
	seen := w.museum.last(w.t)
	if seen.URL.String() != "/museum-hours?startDate=2026-11-23" {
		w.consumer.t.Errorf("the upstream saw %s, want the path behind the mount", seen.URL.String())
	}
	if seen.Header.Get("X-API-Key") != "" {
		w.consumer.t.Error("the upstream saw the key")
	}
}

// get makes the call as a program would.
func get(t testing.TB, url, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
