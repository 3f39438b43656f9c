// Package schema is JSON Schema 2020-12 for data that comes from anywhere: it
// reads JSON strictly, compiles schemas, and says everything that is wrong with
// a value, each with a JSON pointer and a reason.
//
// Both planes use it: entry/check asks whether schemas compile, gateways hold
// calls to them. It fetches nothing: a reference that leads out of what was given
// does not compile.
//
// # Why its own
//
// The libraries at hand validate as long as it takes and report as much as there
// is: schemas such as a recursive anyOf take time exponential in a body's depth,
// a list of a million wrong items makes a million errors, and 1e1000000000 is a
// number of gigabytes. Here a validation has a budget of steps and of errors, and
// what a request may not send and an answer may not hold (readOnly, writeOnly) is
// decided while validating rather than by schemas of their own. The public vectors
// are in testdata; the test says the score.
package schema
