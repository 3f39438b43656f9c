package openapi

import (
	"strings"

	"portico/openapi/tree"
)

// walker visits what means something in a document, and leaves out examples,
// defaults and extensions, in which $ref is only a word. It recurses as deep
// as the document, which the tree's limit bounds.
type walker struct {
	refs *references
	most int // schemas
}

// object visits a value whose member names are OpenAPI's or JSON Schema's.
func (w *walker) object(n tree.Node) error {
	switch n.Kind() {
	case tree.Array:
		for c := range n.Children() {
			if err := w.object(c); err != nil {
				return err
			}
		}
		return nil
	case tree.Object:
	default:
		return nil
	}
	for c := range n.Children() {
		key := c.Key()
		var err error
		switch {
		case key == "$ref":
			if c.Kind() == tree.String {
				w.refs.holders = append(w.refs.holders, n)
			}
		case isLiteral(key, c):
		case isNames(key) && c.IsObject():
			err = w.names(c, key)
		case isSchemas(key):
			if err = w.count(c, key); err == nil {
				err = w.object(c)
			}
		default:
			err = w.object(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names visits an object whose member names are the document's own.
func (w *walker) names(n tree.Node, key string) error {
	for c := range n.Children() {
		switch key {
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas":
			if w.refs.schemas++; w.refs.schemas > w.most {
				return refuse(c, ErrTooManyTypes, "The document has more than %d schemas. Split it into several.", w.most)
			}
		case "mapping":
			if c.Kind() == tree.String {
				w.refs.mappings = append(w.refs.mappings, c)
			}
		}
		if err := w.object(c); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) count(n tree.Node, key string) error {
	number := 1
	if n.IsArray() {
		number = n.Len()
	}
	if w.refs.schemas += number; w.refs.schemas > w.most {
		return refuse(n, ErrTooManyTypes, "The document has more than %d schemas. Split it into several.", w.most)
	}
	return nil
}

func isLiteral(key string, n tree.Node) bool {
	switch key {
	case "example", "default", "enum", "const", "value", "dataValue", "serializedValue":
		return true
	case "examples":
		return !n.IsObject() // a list of values; an object holds Example Objects
	}
	return strings.HasPrefix(key, "x-")
}

// isNames tells the members that hold a map from the document's own names.
func isNames(key string) bool {
	switch key {
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas",
		"responses", "parameters", "headers", "requestBodies", "securitySchemes", "links", "callbacks",
		"pathItems", "mediaTypes", "paths", "webhooks", "content", "encoding", "variables", "examples",
		"mapping", "scopes", "dependentRequired":
		return true
	}
	return false
}

// isSchemas tells the members that hold a schema or a list of schemas.
func isSchemas(key string) bool {
	switch key {
	case "schema", "items", "additionalProperties", "not", "allOf", "oneOf", "anyOf", "prefixItems", "contains",
		"propertyNames", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties", "contentSchema", "itemSchema":
		return true
	}
	return false
}
