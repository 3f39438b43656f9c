// Package tree holds a JSON or YAML document as a compact, ordered tree that
// remembers where everything stood.
//
// It exists because an OpenAPI document of 13 MB has to be understood within
// half a second and without a gigabyte: a value costs 24 bytes beside the
// text it stands in, strings are decoded when they are asked for, and lines
// and JSON pointers are worked out only for what is reported. Members keep
// the order of the document, which maps would lose.
//
// It knows nothing of OpenAPI, checks no schema and never follows a
// reference out of the document. Everything it accepts is bounded by Limits:
// bytes, depth, number of values, and what YAML aliases expand to.
package tree
