// Package spec holds the OpenAPI documents of Portico's own APIs. It only
// holds them: manager/rest serves the management API and is tested against it.
package spec

import _ "embed"

//go:embed management.yaml
var management string

// Management returns the management API's document, YAML in OpenAPI 3.1.
func Management() string { return management }
