// Package store keeps the control plane's state in a database.
package store

// Store is an open database.
type Store struct{}
