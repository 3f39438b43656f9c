package ui

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// ChipView is one choice of a row of filters.
type ChipView struct {
	Label  string
	Count  string
	Href   string
	On     bool
	Target string // CSS id selector of what the link changes: "#results"
}

func (v ChipView) attributes() templ.Attributes {
	if v.On {
		return attrs(templ.Attributes{"aria-current": "true"}, swap(v.Href, v.Target))
	}
	return swap(v.Href, v.Target)
}

func (v StatusChipView) attributes() templ.Attributes {
	a := templ.Attributes{}
	if v.ID != "" {
		a["id"] = v.ID
	}
	if v.Title != "" {
		a["title"] = v.Title
	}
	return attrs(a, v.Attrs)
}

func methodClass(method string) string {
	switch m := strings.ToUpper(method); m {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "SSE", "WS":
		return m
	}
	return ""
}

func methodWord(method string) string {
	switch m := strings.ToUpper(method); m {
	case "DELETE":
		return "DEL"
	case "OPTIONS":
		return "OPT"
	default:
		return m
	}
}

func statusClass(code int) string {
	if code < 200 || code > 599 {
		return ""
	}
	return "s" + strconv.Itoa(code/100)
}

func paletteID(group, item int) string {
	return "pal-" + strconv.Itoa(group) + "-" + strconv.Itoa(item)
}
