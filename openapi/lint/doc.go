// Package lint judges OpenAPI documents by rules of ours: whether people can
// understand, call and trust what is described.
//
// A rule is one file: what it is called, how much it matters, how to fix what
// it finds, and the check. The package reads documents that openapi.Load has
// read; it does not say whether a document follows the specification (the
// load's findings do) and it changes nothing.
package lint
