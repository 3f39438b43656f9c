package ui

import (
	"strings"

	"github.com/a-h/templ"

	"portico/ui/icon"
)

// Look is how a button looks and what else it carries. The zero value is a
// plain button of normal size.
type Look struct {
	Kind     Kind
	Small    bool
	Icon     icon.Icon
	End      icon.Icon // icon after the label
	IconOnly bool      // the label becomes the accessible name
	Key      string    // keyboard shortcut: "a", "mod+s", "mod+enter"
	Busy     bool
	Disabled bool
	Full     bool   // as wide as its place
	Title    string // tooltip; never the only place of something needed
	Name     string // form value sent with the press
	Value    string
	Hidden   []Pair           // PostButton: further form values
	Confirm  string           // question asked first, where there is a script
	Attrs    templ.Attributes // htmx and data attributes
}

func look(l []Look) Look {
	if len(l) == 0 {
		return Look{}
	}
	return l[0]
}

func (l Look) class() string {
	c := "btn"
	if l.Kind != "" {
		c += " " + string(l.Kind)
	}
	for _, flag := range []struct {
		on   bool
		name string
	}{{l.Small, " sm"}, {l.IconOnly, " ico"}, {l.Full, " full"}} {
		if flag.on {
			c += flag.name
		}
	}
	return c
}

// attributes are those that links and buttons share.
func (l Look) attributes(label string) templ.Attributes {
	a := templ.Attributes{"class": l.class()}
	if l.IconOnly {
		a["aria-label"] = label
	}
	if l.Title != "" {
		a["title"] = l.Title
	}
	if l.Busy {
		a["aria-busy"] = "true"
	}
	if l.Key != "" {
		a["data-key"] = l.Key
		a["aria-keyshortcuts"] = ariaKey(l.Key)
	}
	if l.Confirm != "" {
		a["data-confirm"] = l.Confirm
	}
	return attrs(a, l.Attrs)
}

func (l Look) button(kind, label string) templ.Attributes {
	a := templ.Attributes{"type": kind}
	if l.Name != "" {
		a["name"], a["value"] = l.Name, l.Value
	}
	if l.Disabled {
		a["disabled"] = true
	}
	return attrs(a, l.attributes(label))
}

func (l Look) link(href, label string) templ.Attributes {
	if l.Disabled {
		return attrs(templ.Attributes{"role": "link", "aria-disabled": "true"}, l.attributes(label))
	}
	return attrs(templ.Attributes{"href": string(templ.URL(href))}, l.attributes(label))
}

func (l Look) icon() icon.Icon { return buttonIcon(l.Icon, l) }
func (l Look) end() icon.Icon  { return buttonIcon(l.End, l) }

// buttonIcon is small beside a label and in small buttons.
func buttonIcon(i icon.Icon, l Look) icon.Icon {
	if l.IconOnly && !l.Small {
		return i
	}
	return i.Small()
}

// keyLabel writes a shortcut as people read it: "mod+s" is ⌘S.
func keyLabel(key string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(key, "+") {
		switch part {
		case "mod":
			b.WriteString("⌘")
		case "enter":
			b.WriteString("↵")
		case "esc":
			b.WriteString("esc")
		default:
			b.WriteString(strings.ToUpper(part))
		}
	}
	return b.String()
}

// ariaKey writes a shortcut as aria-keyshortcuts wants it.
func ariaKey(key string) string {
	return strings.NewReplacer("mod", "Control", "enter", "Enter").Replace(key)
}

func (l Look) dialog(href string) Look {
	l.Attrs = attrs(templ.Attributes{"hx-get": href, "hx-target": "#dialogs", "hx-swap": "innerHTML", "aria-haspopup": "dialog"}, l.Attrs)
	return l
}

func (l Look) copyIcon() Look {
	l.Icon = icon.Copy()
	return l
}

func (l Look) copies(id, label string) templ.Attributes {
	a := l.button("button", label)
	a["class"] = l.class() + " js-only"
	a["data-copy"] = "#" + id
	return a
}
