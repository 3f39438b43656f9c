// Package apim is Portico's vocabulary: the nouns of API management, the
// states they pass through and the rules that move them.
//
// It knows no database, no HTTP and no bus, and imports only the standard
// library. States change only by the methods here, which refuse what the rules
// do not allow; who may ask for a change is manager/authz's to say, and when a
// change is in force on the gateway nodes is the manager's.
package apim
