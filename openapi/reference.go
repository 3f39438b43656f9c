package openapi

// Reference is one operation as its reference page shows it.
type Reference struct{}
