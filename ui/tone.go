package ui

import (
	"strings"
	"unicode"

	"github.com/a-h/templ"

	"portico/ui/icon"
)

// Tone says what something means. Colour never carries it alone: a dot's
// shape, an icon or the word beside it says the same.
type Tone string

// The tones. The zero value is neutral.
const (
	Neutral Tone = ""
	OK      Tone = "ok"
	Warn    Tone = "warn"
	Bad     Tone = "bad"
	Info    Tone = "info"
	Plum    Tone = "plum" // AI and beta
	Accent  Tone = "acc"  // waiting, chosen, yours
	Line    Tone = "line" // a badge with an outline only: not yet real
	Off     Tone = "off"  // a ring instead of a dot: not in force
)

// Kind is what a button looks like. One Primary per view.
type Kind string

// The kinds. The zero value is the plain button.
const (
	Plain       Kind = ""
	Primary     Kind = "primary"
	Quiet       Kind = "quiet"
	Danger      Kind = "danger"
	DangerSolid Kind = "danger solid"
)

// Size is a width chosen from the few that the style sheet has.
type Size string

// The sizes; what they are in pixels depends on the part.
const (
	Medium Size = ""
	Small  Size = "s"
	Large  Size = "l"
	Huge   Size = "xl"
)

// Link is a word that leads somewhere.
type Link struct {
	Label string
	Href  string
}

// Pair is a named value, for lists of them.
type Pair struct {
	Key   string
	Value string
	Tone  Tone            // colours the value
	Mono  bool            // the value is an id, path or other code
	Body  templ.Component // instead of Value
}

// attrs merges attributes, the later ones winning.
func attrs(all ...templ.Attributes) templ.Attributes {
	merged := templ.Attributes{}
	for _, a := range all {
		for k, v := range a {
			merged[k] = v
		}
	}
	return merged
}

// swap is the htmx attributes with which a link or form loads its own URL
// into target and keeps the address bar right. No target or no URL, no attributes.
func swap(href, target string) templ.Attributes {
	if target == "" || href == "" {
		return nil
	}
	return templ.Attributes{"hx-get": href, "hx-target": target, "hx-swap": "outerHTML", "hx-select": target, "hx-push-url": "true"}
}

// initials are the first letters of the first and the last word of a name, or
// the first two of a single word.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	switch len(words) {
	case 0:
		return "?"
	case 1:
		letters := []rune(words[0])
		return strings.ToUpper(string(letters[:min(2, len(letters))]))
	}
	return strings.ToUpper(string([]rune(words[0])[:1]) + string([]rune(words[len(words)-1])[:1]))
}

// hue is the avatar colour of a name: always the same for the same name, and
// never the accent, which means something.
func hue(name string) string {
	sum := 0
	for _, r := range name {
		sum = (sum*31 + int(r)) % 1021
	}
	return string("bcde"[sum%4])
}

// toneIcon is the icon that stands for a tone in banners and toasts.
func toneIcon(t Tone) icon.Icon {
	switch t {
	case OK:
		return icon.CircleCheck()
	case Warn:
		return icon.TriangleAlert()
	case Bad:
		return icon.OctagonX()
	}
	return icon.Info()
}

// current marks the entry of a list that is the page the reader is on.
func current(yes bool) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

// toneClass colours text.
func toneClass(t Tone) string {
	switch t {
	case OK:
		return "okc"
	case Warn:
		return "warnc"
	case Bad:
		return "badc"
	case Accent:
		return "acc"
	case Off:
		return "mute"
	}
	return ""
}

func idAttr(id string) templ.Attributes {
	if id == "" {
		return nil
	}
	return templ.Attributes{"id": id}
}
