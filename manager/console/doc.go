// Package console is where API providers, approvers and operators work: pages
// rendered on the server (templ) that call the use cases of package manager.
//
// A page is a handler, a view struct built in Go, and a templ file; a view does
// no work and every link in it comes from links.go. Every form works without
// JavaScript: it posts, the handler calls one use case, and the answer is a
// redirect, or the same form with what was typed and what is wrong. htmx only
// saves reloads: filters, the request beside the inbox, progress, and the live
// state of a publication.
//
// The package deliberately decides nothing. Whether somebody may do something
// is the use cases' to say; a page asks Tenants.Can only to leave out buttons
// that would be refused. It holds no state but the receipts of once.go.
package console
