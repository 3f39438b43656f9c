package ui_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"portico/ui"
	"portico/ui/icon"
)

func sample() ui.Frame {
	return ui.Frame{
		Head:     ui.Head{Title: "Things", Theme: ui.Theme{Chosen: "dark", Action: "/theme", Back: "/things"}, Events: "/events", Roomy: true},
		Brand:    ui.Brand{Name: "Example", Sub: "Back office"},
		Nav:      []ui.NavGroup{{Label: "Work", Items: []ui.NavItem{{Label: "Things", Href: "/things", Icon: icon.Box(), Count: "3", Hot: true, Current: true}, {Label: "Others", Href: "/others"}}}},
		NavFoot:  []ui.NavItem{{Label: "Elsewhere", Href: "/else"}},
		Crumbs:   []ui.Crumb{{Label: "Example", Href: "/"}, {Label: "Things"}},
		Search:   ui.Search{Label: "Search", Href: "/search", URL: "/palette"},
		Chips:    ui.Badge("chip", ui.OK),
		User:     ui.User{Name: "Ada Byron", Sub: "Owner", Items: []ui.MenuItem{{Label: "Sign out", Post: "/sign-out"}}},
		Foot:     []ui.Link{{Label: "Terms", Href: "/terms"}},
		FootNote: "Made here",
		Toasts:   []ui.Toast{{Tone: ui.OK, Title: "Saved"}},
	}
}

func frames() map[string]func(ui.Frame) templ.Component {
	return map[string]func(ui.Frame) templ.Component{"workbench": ui.Workbench, "site": ui.Site, "gate": ui.Gate}
}

// find is the first element for which ok holds, nil if there is none.
func find(doc *html.Node, ok func(*html.Node) bool) *html.Node {
	for _, n := range elements(doc) {
		if ok(n) {
			return n
		}
	}
	return nil
}

func TestFramesHaveWhatADocumentNeeds(t *testing.T) {
	for name, frame := range frames() {
		t.Run(name, func(t *testing.T) {
			doc := parse(t, render(t, frame(sample())))
			for what, ok := range map[string]func(*html.Node) bool{
				"language":   func(n *html.Node) bool { return n.Data == "html" && attr(n, "lang") == "en" },
				"theme":      func(n *html.Node) bool { return n.Data == "html" && attr(n, "data-theme") == "dark" },
				"title":      func(n *html.Node) bool { return n.Data == "title" && words(n) == "Things · Example" },
				"skip link":  func(n *html.Node) bool { return n.Data == "a" && attr(n, "href") == "#main" },
				"main":       func(n *html.Node) bool { return n.Data == "main" && attr(n, "id") == "main" },
				"events":     func(n *html.Node) bool { return n.Data == "body" && attr(n, "sse-connect") == "/events" },
				"roomy":      func(n *html.Node) bool { return n.Data == "body" && attr(n, "class") == "roomy" },
				"toast":      func(n *html.Node) bool { return attr(n, "role") == "status" && strings.HasPrefix(words(n), "Saved") },
				"dialogs":    func(n *html.Node) bool { return attr(n, "id") == "dialogs" },
				"theme form": func(n *html.Node) bool { return n.Data == "form" && attr(n, "action") == "/theme" },
				"foot":       func(n *html.Node) bool { return n.Data == "span" && words(n) == "Made here" || name == "workbench" },
				"no evaluation": func(n *html.Node) bool {
					return attr(n, "name") == "htmx-config" && strings.Contains(attr(n, "content"), `"allowEval":false`) &&
						strings.Contains(attr(n, "content"), `"includeIndicatorStyles":false`) && strings.Contains(attr(n, "content"), `"historyCacheSize":0`)
				},
			} {
				if find(doc, ok) == nil {
					t.Errorf("no %s", what)
				}
			}
		})
	}
}

func TestFramesMarkWhereTheReaderIs(t *testing.T) {
	for _, name := range []string{"workbench", "site"} {
		doc := parse(t, render(t, frames()[name](sample())))
		var marked []string
		for _, n := range elements(doc) {
			if attr(n, "aria-current") == "page" {
				marked = append(marked, n.Data+" "+words(n))
			}
		}
		if len(marked) < 2 || !strings.HasPrefix(marked[0], "a Things") && !strings.HasPrefix(marked[1], "a Things") {
			t.Errorf("%s: got %q, want the entry of the navigation and the crumb", name, marked)
		}
	}
}

func TestEmptyFrameLeavesOutWhatItDoesNotHave(t *testing.T) {
	for name, frame := range frames() {
		t.Run(name, func(t *testing.T) {
			page := render(t, frame(ui.Frame{}))
			for _, absent := range []string{"data-theme=", "sse-connect", "palette", "data-theme-form", "menu-d", "<footer", `href=""`} {
				if strings.Contains(page, absent) {
					t.Errorf("has %s", absent)
				}
			}
		})
	}
}

func TestUnknownThemeIsAsTheSystemHasIt(t *testing.T) {
	for chosen, want := range map[string]string{"light": "light", "dark": "dark", "": "", "pink": "", `"><b>`: ""} {
		doc := parse(t, render(t, ui.Document(ui.Frame{Head: ui.Head{Theme: ui.Theme{Chosen: chosen}}})))
		root := find(doc, func(n *html.Node) bool { return n.Data == "html" })
		if got := attr(root, "data-theme"); got != want {
			t.Errorf("%q: got %q, want %q", chosen, got, want)
		}
	}
}

func TestThemeButtonSetsTheOtherOne(t *testing.T) {
	for chosen, want := range map[string]string{"light": "dark", "dark": "light", "": "dark"} {
		doc := parse(t, render(t, ui.ThemeToggle(ui.Theme{Chosen: chosen, Action: "/theme", Back: "/here?a=1&b=2"})))
		button := find(doc, func(n *html.Node) bool { return n.Data == "button" })
		if got := attr(button, "value"); got != want || attr(button, "name") != "theme" {
			t.Errorf("%q: got %s=%q, want theme=%q", chosen, attr(button, "name"), got, want)
		}
		if back := find(doc, func(n *html.Node) bool { return attr(n, "name") == "back" }); attr(back, "value") != "/here?a=1&b=2" {
			t.Errorf("back: got %q", attr(back, "value"))
		}
	}
}

func TestDialogIsAskedForByHeader(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if ui.WantsDialog(r) {
		t.Error("a plain request got a dialog")
	}
	r.Header.Set("HX-Target", "dialogs")
	if !ui.WantsDialog(r) {
		t.Error("a dialog link did not get its dialog")
	}
}

func TestDialogAndItsPageHoldTheSameForm(t *testing.T) {
	v := ui.DialogView{ID: "d", Title: "Make a thing", Action: "/things", Submit: "Make thing", Cancel: "/things", Upload: true}
	for name, c := range map[string]templ.Component{"dialog": ui.Dialog(v), "page": ui.DialogPage(v)} {
		doc := parse(t, render(t, c))
		form := find(doc, func(n *html.Node) bool { return n.Data == "form" })
		if form == nil || attr(form, "method") != "post" || attr(form, "action") != "/things" || attr(form, "enctype") != "multipart/form-data" {
			t.Errorf("%s: got form %+v", name, form.Attr)
		}
		if find(doc, func(n *html.Node) bool { return attr(n, "type") == "submit" && words(n) == "Make thing" }) == nil {
			t.Errorf("%s has no button to submit", name)
		}
		if find(doc, func(n *html.Node) bool { return n.Data == "a" && attr(n, "href") == "/things" && words(n) == "Cancel" }) == nil {
			t.Errorf("%s has no way back", name)
		}
	}
}
