// Package authz decides who may do what.
package authz

// Authorizer answers permission questions.
type Authorizer struct{}
