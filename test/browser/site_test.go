package browser_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a-h/templ"

	"portico/ui"
)

// open opens a tab at a server of the kit.
func open(t *testing.T) *tab {
	t.Helper()
	server := httptest.NewServer(site())
	t.Cleanup(server.Close)
	return openAt(t, server.URL)
}

func frame(r *http.Request) ui.Frame {
	return ui.Frame{
		Head:    ui.Head{Title: "Things", Theme: ui.Theme{Chosen: r.URL.Query().Get("theme"), Action: "/theme", Back: r.URL.Path}},
		Brand:   ui.Brand{Name: "Example Industries", Sub: "Back office"},
		Nav:     []ui.NavGroup{{Label: "Work", Items: []ui.NavItem{{Label: "Things", Href: "/site", Current: true}, {Label: "Others", Href: "/gate", Count: "3", Go: "o"}}}},
		Crumbs:  []ui.Crumb{{Label: "Example Industries", Href: "/"}, {Label: "Things"}},
		Search:  ui.Search{Label: "Search or jump to…", Href: "/search", URL: "/palette"},
		Chips:   ui.StatusChip(ui.StatusChipView{Code: "#4812", Text: "live on 6/6", Note: "214 ms", Tone: ui.OK}),
		User:    ui.User{Name: "Ada Byron", Sub: "Owner", Items: []ui.MenuItem{{Label: "Sign out", Post: "/out"}}},
		Foot:    []ui.Link{{Label: "Terms of use", Href: "#"}},
		NavFoot: []ui.NavItem{{Label: "Elsewhere", Href: "/else"}},
	}
}

func content(query string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for _, c := range []templ.Component{
			ui.PageHead("Things", "What there is."),
			ui.DialogLink("/new", "New thing", ui.Look{Kind: ui.Primary, Key: "n"}),
			ui.SearchField(ui.SearchView{Action: "/site", Label: "Filter", Slash: true, Target: "#results", Value: query}),
			ui.Panel(ui.PanelView{ID: "results", Title: "Found for [" + query + "]"}),
			ui.LocalTabs("Parts", []ui.LocalTab{{ID: "one", Label: "One", Body: ui.Badge("first", ui.OK)}, {ID: "two", Label: "Two", Body: ui.Badge("second", ui.OK)}}),
			ui.Menu(ui.MenuView{Label: "More", Items: []ui.MenuItem{{Label: "First", Href: "#a"}, {Label: "Second", Href: "#b"}}}),
			ui.KeyBox(ui.KeyBoxView{Title: "Copy it now", Secret: "s3cret"}),
			ui.Button("Fails", ui.Look{Attrs: templ.Attributes{"hx-post": "/fails", "id": "fails"}}),
		} {
			if err := c.Render(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
}

// site serves the kit and each frame as the product does: with the policy, from one origin.
func site() http.Handler {
	mux := http.NewServeMux()
	page := func(path string, of func(*http.Request) templ.Component) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", ui.ContentSecurityPolicy)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := of(r).Render(templ.WithChildren(r.Context(), content(r.URL.Query().Get("q"))), w); err != nil {
				panic(err)
			}
		})
	}
	page("/kit", func(r *http.Request) templ.Component {
		return ui.Kit(ui.Theme{Chosen: r.URL.Query().Get("theme"), Action: "/theme", Back: "/kit"})
	})
	page("/workbench", func(r *http.Request) templ.Component { return ui.Workbench(frame(r)) })
	page("/site", func(r *http.Request) templ.Component { return ui.Site(frame(r)) })
	page("/gate", func(r *http.Request) templ.Component { return ui.Gate(frame(r)) })
	page("/new", func(r *http.Request) templ.Component {
		v := ui.DialogView{ID: "new", Title: "New thing", Action: "/new", Submit: "Make thing", Cancel: "/site"}
		if ui.WantsDialog(r) {
			return ui.Dialog(v)
		}
		return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
			return ui.Gate(frame(r)).Render(templ.WithChildren(ctx, ui.DialogPage(v)), w)
		})
	})
	page("/palette", func(r *http.Request) templ.Component {
		return ui.PaletteResults([]ui.PaletteGroup{{Label: "Things", Items: []ui.PaletteItem{{Match: r.URL.Query().Get("q"), Href: "/gate"}, {Match: "other", Href: "/kit"}}}})
	})
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "kept", Value: r.FormValue("theme"), Path: "/"})
		http.Redirect(w, r, r.FormValue("back"), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /fails", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	mux.Handle(ui.AssetsPath, ui.Assets())
	return mux
}
