// Package portal is where API consumers work: the catalog, the pages of
// products and API versions, the reference of every operation, requests for
// access, applications with their subscriptions and keys, and the pages that
// explain the gateway's refusals.
//
// It renders pages (templ) over the manager's use cases and decides nothing
// itself: who may see or do what is the use cases' to say, and what they refuse
// the page shows beside the field that it concerns. Every form is a plain POST
// that answers with a redirect, so everything works without JavaScript; htmx
// only saves whole page loads. What providers write (names, Markdown, links)
// is hostile to the browser: it reaches a page escaped, or through markdown.go.
//
// It deliberately is not the console (providers' and operators' pages are
// manager/console), has no JSON interface (manager/rest), and carries no call:
// the samples are for the reader's own terminal.
//
// # Why a key is kept in memory for a moment
//
// A new key must be shown once, after a redirect, and never be stored in clear.
// The portal therefore holds it in the memory of the process that minted it
// until the next page shows it, for two minutes at most (fresh.go).
package portal
