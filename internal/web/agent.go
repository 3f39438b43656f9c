package web

import (
	"strings"
	"unicode/utf8"
)

// longestAgent is how much is shown of a browser's name for itself, in
// characters.
const longestAgent = 60

// Browser says in two words what a browser calls itself ("Firefox on Linux"),
// and the beginning of the whole when it is none of the known.
func Browser(agent string) string {
	agent = strings.Join(strings.Fields(agent), " ")
	first := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	name := first("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := first("Windows", "Windows", "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Mac OS X", "macOS", "Linux", "Linux")
	switch {
	case agent == "":
		return "A program that does not say"
	case name == "" && utf8.RuneCountInString(agent) > longestAgent:
		return strings.TrimRight(string([]rune(agent)[:longestAgent-1]), " ") + "…"
	case name == "":
		return agent
	case system == "":
		return name
	}
	return name + " on " + system
}
