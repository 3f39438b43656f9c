package openapi

import (
	"errors"
	"fmt"

	"portico/openapi/tree"
)

// Error is why a document is refused as a whole.
type Error struct {
	Code    string `json:"code"`    // one of the codes below
	Message string `json:"message"` // what happened and what to do, for the person who brought the document
	Pointer string `json:"pointer,omitempty"`
	File    string `json:"file,omitempty"`   // where the document has several
	Line    int    `json:"line,omitempty"`   // from 1; 0 where unknown
	Column  int    `json:"column,omitempty"` // from 1, in bytes; 0 where unknown
}

// The codes of an Error.
const (
	ErrEmpty        = "empty"             // nothing but white space
	ErrNotDocument  = "not_a_document"    // an archive, a web page, UTF-16
	ErrNotOpenAPI   = "not_openapi"       // JSON or YAML of another kind
	ErrMalformed    = tree.CodeMalformed  // neither JSON nor YAML
	ErrTruncated    = tree.CodeTruncated  // half a document
	ErrTooLarge     = tree.CodeTooLarge   // more bytes or values than allowed
	ErrTooDeep      = tree.CodeTooDeep    // nested deeper than allowed
	ErrAliasBomb    = tree.CodeAliasBomb  // YAML aliases that expand beyond the limits
	ErrArchive      = "archive"           // a zip that no honest tool made, or that cannot be read
	ErrNoSuchFile   = "no_such_file"      // the file to begin with is not in the archive
	ErrSeveralRoots = "several_documents" // an archive with several documents; say which
	ErrVersion      = "version_unknown"   // neither 3.x nor Swagger 2.0
	ErrTooManyOps   = "too_many_operations"
	ErrTooManyTypes = "too_many_schemas"
	ErrChainTooLong = "ref_chain_too_long" // references that lead through too many others
	ErrNoOperations = "no_operations"      // no usable path and no webhook
)

// Error names the place and says what is wrong there.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Message
	case e.File != "":
		return fmt.Sprintf("%s line %d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// fromTree turns what the tree refuses into an Error.
func fromTree(err error) error {
	var te *tree.Error
	if !errors.As(err, &te) {
		return err
	}
	return &Error{Code: te.Code, Message: te.Message, Pointer: te.Pointer, File: te.File, Line: te.Line, Column: te.Column}
}

// refuse is an Error at a value of the document.
func refuse(at tree.Node, code, format string, args ...any) *Error {
	line, column := at.Position()
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Pointer: at.Pointer(), File: at.File(), Line: line, Column: column}
}
