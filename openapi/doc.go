// Package openapi understands OpenAPI documents: 3.0, 3.1 and 3.2, and Swagger
// 2.0, JSON or YAML, in one file or several.
//
// It does so in two phases. Scan reads a document fast and says what can be
// called and where: operations, servers, security, and findings with line
// numbers. Load, later and in the background, reads all of it and yields the
// reference view: plain structs, one for each operation, that a page can be
// rendered from without the document.
//
// Documents are hostile until shown otherwise. Everything is bounded by
// Limits before a library sees the text, no reference is followed out of what
// was given but by Pack, through its caller's Fetch, and no goroutine outlives what it was started for by more than those limits allow.
//
// It refuses little: a document with one usable path or webhook is read, and
// what is wrong with it becomes findings. It repairs, each time with a finding.
//
// The package deliberately knows no noun of Portico but its own: nothing of
// APIs, versions, plans or tenants, no storage and no HTTP. It does not decide
// how an operation is published; it says what the document says.
//
// # One tree
//
// All of it reads one tree. Files that refer to one another are put together in
// one first (bundle.go), and Swagger 2.0 is rewritten as OpenAPI 3.0
// (swagger.go); every value remembers the file, the line and the pointer that it
// came from, so that findings speak of what a person wrote. What is kept is what
// was given: the document, or a zip of its files.
//
// # Why a tree of its own
//
// The reference view is built on openapi/tree and not on kin-openapi, because
// that keeps members in the document's order, knows every line, and reads the
// documents that kin-openapi cannot. kin-openapi reads the document second
// and adds what it finds; it never sees one that the guards have not passed.
package openapi
