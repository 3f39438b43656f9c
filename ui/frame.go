package ui

import (
	"github.com/a-h/templ"

	"portico/ui/icon"
)

// Theme is the reader's choice of light or dark, as the server knows it from
// a cookie. Toggling posts theme=light or theme=dark, and back, to Action.
type Theme struct {
	Chosen string // "light", "dark" or "" (as the system has it)
	Action string // where the toggle posts to; "" leaves the toggle out
	Back   string // path to return to after the post
}

// attribute is what goes into data-theme; anything unknown is as the system has it.
func (t Theme) attribute() string {
	if t.Chosen == "light" || t.Chosen == "dark" {
		return t.Chosen
	}
	return ""
}

// next is what a press sets without a script, which cannot ask the system.
func (t Theme) next() string {
	if t.Chosen == "dark" {
		return "light"
	}
	return "dark"
}

// Head is what a document needs before its body.
type Head struct {
	Title       string // of the page; the brand's name is put behind it
	Description string
	Theme       Theme
	Lang        string // "en" if empty
	Roomy       bool   // larger type and controls, for reading rather than operating
	Events      string // URL of a server-sent event stream for the whole page; parts listen with sse-swap
}

// Brand is whose site this is.
type Brand struct {
	Name string
	Sub  string // a second, quieter word: "Console", "Developers"
	Href string // "/" if empty
	Logo string // URL of an image on the same origin; the mark if empty
}

// NavItem is one entry of the navigation.
type NavItem struct {
	Label   string
	Href    string
	Icon    icon.Icon
	Count   string
	Hot     bool   // the count asks for something to be done
	Go      string // letter that goes there after G, on the keyboard
	Current bool
}

// NavGroup is a part of the navigation under a heading, which may be empty.
type NavGroup struct {
	Label string
	Items []NavItem
}

// Crumb is one step of the way to a page. The last one is the page itself.
type Crumb struct {
	Label string
	Href  string
}

// User is who is signed in. The zero value is nobody.
type User struct {
	Name  string
	Sub   string // organisation or role
	Items []MenuItem
}

// Search is the trigger of the palette. The zero value leaves it out.
type Search struct {
	Label string // "Search or jump to…"
	Href  string // page that searches without a script
	URL   string // answers with [PaletteResults]; gets ?q=
}

// Frame is everything around the content of a page. [Workbench] and [Site]
// take the same one, so that a page can stand in either.
type Frame struct {
	Head
	Brand    Brand
	Places   []MenuItem // where else the brand's button leads: other organisations
	Nav      []NavGroup
	NavLabel string // accessible name of the navigation; the brand's second word if empty
	NavFoot  []NavItem
	Crumbs   []Crumb
	Search   Search
	Chips    templ.Component // at the right of the bar: a [StatusChip], a [Menu]
	User     User
	SignIn   Link // shown while nobody is signed in
	Wide     bool // Site: 1440 px instead of 1200
	Foot     []Link
	FootNote string
	Toasts   []Toast
}

func (f Frame) documentTitle() string {
	if f.Brand.Name == "" || f.Title == f.Brand.Name {
		return f.Title
	}
	if f.Title == "" {
		return f.Brand.Name
	}
	return f.Title + " · " + f.Brand.Name
}

func (f Frame) navLabel() string {
	if f.NavLabel != "" {
		return f.NavLabel
	}
	if f.Brand.Sub != "" {
		return f.Brand.Sub
	}
	return "Main"
}

func (f Frame) items() []NavItem {
	var all []NavItem
	for _, g := range f.Nav {
		all = append(all, g.Items...)
	}
	return all
}

func (i NavItem) attributes() templ.Attributes {
	if i.Go == "" {
		return current(i.Current)
	}
	return attrs(current(i.Current), templ.Attributes{"data-go": i.Go})
}

func (b Brand) href() string {
	if b.Href == "" {
		return "/"
	}
	return b.Href
}

func (h Head) lang() string {
	if h.Lang == "" {
		return "en"
	}
	return h.Lang
}

// root are the attributes of the html element.
func (h Head) root() templ.Attributes {
	a := templ.Attributes{"lang": h.lang()}
	if t := h.Theme.attribute(); t != "" {
		a["data-theme"] = t
	}
	return a
}

// body are the attributes of the body element.
func (h Head) body() templ.Attributes {
	a := templ.Attributes{"hx-ext": "morph,sse"}
	if h.Roomy {
		a["class"] = "roomy"
	}
	if h.Events != "" {
		a["sse-connect"] = h.Events
	}
	return a
}

// htmxConfig sets htmx up for the content security policy: nothing evaluated,
// no style element. Pages may hold a secret once, so no copy of one is kept
// for the back button. A form refused with 409 or 422 comes back with its errors.
// What arrives works at once: a pause of 20 ms would lose the next key.
const htmxConfig = `{"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,` +
	`"selfRequestsOnly":true,"scrollIntoViewOnBoost":false,"defaultSettleDelay":0,"responseHandling":[{"code":"204","swap":false},` +
	`{"code":"[23]..","swap":true},{"code":"409","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}`
