package kit_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"portico/ui"
)

// tab is a browser with one page open, and what its console said.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu        sync.Mutex // guards complaint
	complaint []string
}

// open starts a browser on a server of the kit.
func open(t *testing.T) *tab {
	t.Helper()
	server := httptest.NewServer(site())
	t.Cleanup(server.Close)
	path := os.Getenv("PORTICO_CHROME")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		t.Fatal("no Chromium found: install it, or set PORTICO_CHROME to its path")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, url: server.URL}
	b.do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			b.complaint = append(b.complaint, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.complaint = append(b.complaint, e.ExceptionDetails.Text)
	}
}

// quiet fails the test if the console said anything: a refused inline style, a missing file, an exception.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaint {
		b.t.Errorf("console: %s", c)
	}
	b.complaint = nil
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

// run evaluates an expression, or a promise of one, to a string.
func (b *tab) run(expression string) string {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`Promise.resolve(`+expression+`).then(String)`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// script runs statements for their effect.
func (b *tab) script(statements string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](statements))
}

// until waits for an expression to be true, for at most five seconds. The page
// may change under it.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		if err == nil && ok {
			return
		}
		select {
		case <-deadline:
			b.t.Errorf("%s: not within five seconds (%v)", what, err)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
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

// axe reads the accessibility checker.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("../browser/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(script))
}
