// Package policy is the chain that every request passes: the Exchange that a
// lane fills, the steps that read and edit it, and the order in which they run.
//
// A step sees an Exchange and nothing else. It knows no socket, no http.Request
// and no entry; what it needs was compiled into it. It returns an error (a
// *Denied, when a caller is to be told) and never writes an answer: the node
// renders errors in one place.
//
// # Why the Exchange is flat
//
// Two lanes fill it: one over net/http, one that parses in place. Strings in an
// Exchange are therefore views that hold only until it is released: the fast
// lane points them into pooled buffers. Header fields are a flat list rather
// than a map, because a list can be filled by reference, edited in place and
// written out again without an allocation. Whoever keeps a string beyond the
// exchange clones it.
package policy
