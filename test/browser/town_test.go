package browser_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/test/process"
)

// town is a portico that is in use: an operator with APIs in every state of
// their life, and consumers of three organisations whose requests wait, were
// answered, or are active. Tests share it, and add what they change.
type town struct {
	portico  *process.Process
	api      *process.API
	museum   *museum
	operator person
	carla    person // Travel Company: an active, a waiting and a rejected subscription, and a key
}

type person struct{ name, email, password, organisation string }

const townToken = "browser-bootstrap-token-0123456789-0123456789"

var (
	townOnce   sync.Once
	townShared *town
	standing   = func() {} // ends the town's process; TestMain calls it
)

// inTown returns the town, built by whoever asks first.
func inTown(t *testing.T) *town {
	t.Helper()
	townOnce.Do(func() {
		began := time.Now()
		townShared = buildTown(t)
		t.Logf("the town took %v", time.Since(began).Round(time.Millisecond))
	})
	if townShared == nil {
		t.Fatal("the town could not be built; the first test that asked for it says why")
	}
	return townShared
}

func closeTown() {
	standing()
	if townShared != nil {
		townShared.museum.close()
	}
}

func buildTown(t *testing.T) *town {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	p, err := process.Start(ctx, binary, process.Options{Demo: true, Env: []string{"PORTICO_BOOTSTRAP_TOKEN=" + townToken, "PORTICO_LOG_LEVEL=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	standing = p.Close
	w := &town{
		portico: p, api: p.API(townToken), museum: standingMuseum(t),
		operator: person{"Olga Svensson", "olga@demo.example", "a long enough password", ""},
		carla:    person{"Carla Fontana", "carla@travel.example", "another long password", "Travel Company"},
	}
	o := openAt(t, p.Console)
	o.visit(p.FirstRun)
	o.fill("Your name", w.operator.name)
	o.fill("E-mail", w.operator.email)
	o.fill("Password", w.operator.password)
	o.follow("Make operator")
	w.publish(t)
	w.consume(t)
	o.visit("/t/demo/approvals")
	o.sees("Travel planner wants Museum visits")
	o.fill("Note", "Look around has room for that: 30 calls a minute.")
	o.arrives("the rejection", func() { o.pressOn("Reject", `document.querySelector('.panel-f [data-key=r]')`) })
	o.sees("rejected")
	return w
}

// publish makes APIs: a draft, published, deprecated and retired ones.
func (w *town) publish(t *testing.T) {
	t.Helper()
	parcels, err := os.ReadFile(filepath.Join(process.Root(), "cmd", "portico", "demo", "parcels.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	museum := w.version(t, w.museum.document, map[string]any{"name": w.museum.title, "slug": "museum", "label": "v1", "upstream": w.museum.upstream})
	w.do(t, "POST", "/versions/"+museum+"/publish?wait=applied", map[string]any{"note": "Opening day"})
	w.do(t, "POST", "/versions/"+museum+"/publish?wait=applied", map[string]any{"note": "Tickets too"})
	w.version(t, string(parcels), map[string]any{"api": "parcels", "label": "v2", "upstream": "http://" + w.portico.Ports.Upstream})
	old := w.version(t, w.museum.document, map[string]any{"api": "museum", "label": "2024-06", "upstream": w.museum.upstream})
	w.do(t, "POST", "/versions/"+old+"/publish?wait=applied", map[string]any{})
	w.do(t, "POST", "/versions/"+old+"/deprecate", map[string]any{"sunset_at": time.Now().AddDate(0, 2, 0).UTC().Format(time.RFC3339), "reason": "v1 has tickets and events in one place."})
	older := w.version(t, w.museum.document, map[string]any{"api": "museum", "label": "2023-01", "upstream": w.museum.upstream})
	w.do(t, "POST", "/versions/"+older+"/publish?wait=applied", map[string]any{})
	w.do(t, "POST", "/versions/"+older+"/retire", map[string]any{"reason": "Nobody called it any more."})

	w.do(t, "POST", "/products", map[string]any{
		"slug": "museum-visits", "name": "Museum visits", "summary": "Opening hours, events and tickets.", "listed": true,
		"visibility": "public", "versions": []string{museum, old},
		"description": "Everything a city guide needs. The **Look around** plan lets you in at once.",
	})
	for _, plan := range []map[string]any{
		{"slug": "look-around", "name": "Look around", "approval": "automatic", "price": "Free", "limits": []any{map[string]any{"requests": 30, "period_ms": 60000, "burst": 10}}},
		{"slug": "partner", "name": "Partner", "approval": "manual", "price": "€ 20 a month", "limits": []any{map[string]any{"requests": 600, "period_ms": 60000, "burst": 100}}},
		{"slug": "kiosk", "name": "Kiosk", "approval": "manual", "price": "€ 90 a month", "state": "draft", "limits": []any{}},
	} {
		if plan["state"] == nil {
			plan["state"] = "published"
		}
		w.do(t, "POST", "/products/museum-visits/plans", plan)
	}
}

// consume lets people of three organisations ask for access.
func (w *town) consume(t *testing.T) {
	t.Helper()
	carla := w.signsUp(t, w.carla)
	w.asks(carla, "museum-visits", "Partner", "Travel planner", "Opening hours in our city guide. About 2,000 calls a day, most of them in the morning, from May.")
	w.asks(carla, "parcels", "Trial", "Souvenir shop", "")
	w.asks(carla, "parcels", "Business", "Lost and found", "Sends back what visitors forgot: 20 parcels a week.")
	nils := w.signsUp(t, person{"Nils Bergström", "nils@nordic.example", "another long password", "Nordic Post"})
	w.asks(nils, "parcels", "Business", "Checkout backend", "Labels for the parcels of our web shop: 300 a day, 4,000 in the week before Christmas.")
	mia := w.signsUp(t, person{"Mia Harbour", "mia@harbour.example", "another long password", "Harbour Logistics"})
	w.asks(mia, "parcels", "Business", "Depot screens", "Shows on the depot's screens where each parcel is. One call for each screen every ten seconds, 40 screens.")
	w.asks(mia, "museum-visits", "Partner", "Staff outings", "A day at the museum for our people, once a year.")
	carla.visit("/applications/souvenir-shop")
	carla.follow("Make a key")
	carla.sees("Copy your new key now")
}

// signsUp returns the tab of somebody new at the portal.
func (w *town) signsUp(t *testing.T, who person) *tab {
	t.Helper()
	b := openAt(t, w.portico.Portal)
	b.visit("/sign-up")
	b.fill("Name", who.name)
	b.fill("E-mail", who.email)
	b.fill("Password", who.password)
	b.fill("Organisation", who.organisation)
	b.follow("Create account")
	return b
}

// asks requests access for a new application.
func (w *town) asks(b *tab, product, plan, application, reason string) {
	b.t.Helper()
	b.visit("/products/demo/" + product + "/subscribe")
	if b.run(found("label", "New application")+` !== undefined`) == "true" {
		b.press("New application")
		b.fill("Name of the new application", application)
	} else {
		b.fill("Name of your first application", application)
	}
	b.press(plan)
	if reason == "" {
		b.follow("Get access")
		return
	}
	b.fill("What will you use it for?", reason)
	b.follow("Request access")
}

// version imports a document and returns the version that it became.
func (w *town) version(t *testing.T, document string, accept map[string]any) string {
	t.Helper()
	staged := w.do(t, "POST", "/imports", document)
	accept["access"] = "key"
	return w.do(t, "POST", "/imports/"+staged.ID+"/accept", accept).ID
}

func (w *town) do(t *testing.T, method, path string, body any) process.Object {
	t.Helper()
	var out process.Object
	if err := w.api.Do(t.Context(), method, "/tenants/demo"+path, body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// operatorAt is the operator's tab at a path of the console.
func (w *town) operatorAt(t *testing.T, path string) *tab {
	t.Helper()
	return w.signsIn(t, w.portico.Console, w.operator, path)
}

// carlaAt is the consumer's tab at a path of the portal.
func (w *town) carlaAt(t *testing.T, path string) *tab {
	t.Helper()
	return w.signsIn(t, w.portico.Portal, w.carla, path)
}

func (w *town) signsIn(t *testing.T, edge string, who person, path string) *tab {
	t.Helper()
	b := openAt(t, edge)
	b.visit("/sign-in")
	b.fill("E-mail", who.email)
	b.fill("Password", who.password)
	b.follow("Sign in")
	b.visit(path)
	return b
}

// shape is a page's path with what names a thing replaced, so that /apis/parcels/v1
// and /apis/museum/v2 are the same page.
func shape(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := 1; i < len(parts); i++ {
		switch parts[i-1] {
		case "t", "products", "apis", "applications", "import", "subscriptions", "roll-back", "problems", "reference", "schemas", "keys", "plans", "members", "teams", "policies":
			if parts[i] != "new" {
				parts[i] = "*"
			}
		}
		if i > 1 && (parts[i-2] == "apis" || parts[i-2] == "products" && parts[0] == "products") {
			parts[i] = "*"
		}
		if i > 2 && parts[i-3] == "apis" && parts[0] == "apis" {
			parts[i] = "*"
		}
	}
	return "/" + strings.Join(parts, "/")
}
