// Package rest is the management API: the manager's use cases over HTTP, as
// openapi/spec/management.yaml describes them.
//
// It translates and nothing else: paths, JSON and headers into calls of
// manager's use cases, their results into small structs of its own, one file
// per noun. It decides nothing about permissions (the use cases check them;
// the table in routes.go only names them) and deliberately never writes a
// domain struct to the wire, so that the two can change apart.
//
// A test holds the table of routes and management.yaml to each other, and
// every request and answer of the tests is checked against that document.
package rest
