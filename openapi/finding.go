package openapi

import (
	"fmt"
	"strconv"

	"portico/openapi/tree"
)

// Severity says how much a finding matters.
type Severity string

// The severities. An Error means that a part of the document cannot be used;
// a Warning that it was repaired or will surprise someone; Info is to be known.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityInfo    Severity = "info"
)

// Finding is one thing to know about a document, and where. Codes are stable;
// those of openapi/lint have the form group/name.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	File     string   `json:"file,omitempty"`    // where the document has several
	Pointer  string   `json:"pointer,omitempty"` // JSON pointer (RFC 6901)
	Line     int      `json:"line,omitempty"`    // from 1
	Hint     string   `json:"hint,omitempty"`    // what to do about it
}

// The codes of the scan's and the load's findings.
const (
	FindNotUTF8               = "not_utf8"
	FindVersionNewer          = "version_newer"
	FindSwagger               = "swagger_2"
	FindSwaggerFormat         = "swagger_collection_format"
	FindPathSlashAdded        = "path_slash_added"
	FindPathSlashTrailing     = "path_trailing_slash"
	FindPathPredicate         = "path_predicate"
	FindPathFragment          = "path_fragment"
	FindPathExpansion         = "path_query_expansion"
	FindPathUnroutable        = "path_unroutable"
	FindPathParameterUnnamed  = "path_parameter_unnamed"
	FindPathParameterRepeated = "path_parameter_repeated"
	FindPathRest              = "path_rest_parameter"
	FindPathNotObject         = "path_not_an_object"
	FindOperationNotObject    = "operation_not_an_object"
	FindSameRoute             = "same_route"
	FindDuplicateKey          = "duplicate_key"
	FindOperationIDMissing    = "operation_id_missing"
	FindOperationIDDuplicate  = "operation_id_duplicate"
	FindBodyUnusual           = "body_unusual"
	FindServerMissing         = "server_missing"
	FindServerRelative        = "server_relative"
	FindServerFromSource      = "server_from_source"
	FindServerSeveral         = "server_several"
	FindServerOfOperation     = "server_of_operation"
	FindServerInvalid         = "server_invalid"
	FindServerVariable        = "server_variable_undefined"
	FindServerCredentials     = "server_credentials"
	FindSecuritySchemeUnknown = "security_scheme_unknown"
	FindSecurityKindUnknown   = "security_kind_unknown"
	FindPatternUnsupported    = "pattern_not_enforced"
	FindExternalRef           = "external_ref"
	FindFileUnreadable        = "file_unreadable"
	FindRefMissing            = "ref_missing"
	FindRefRing               = "ref_ring"
	FindWebhooksOnly          = "webhooks_only"
	FindLoadFailed            = "load_failed"
	FindLoadSkipped           = "load_skipped"
	FindInvalid               = "invalid"
)

// findings collects, up to a limit in all and a smaller one for each code, so
// that one mistake made a thousand times does not hide the others.
type findings struct {
	most    int
	perCode map[string]int
	seen    map[string]bool // a path's findings are found again for each of its methods
	list    []Finding
	omitted int
}

func newFindings(most int) *findings {
	return &findings{most: most, perCode: make(map[string]int), seen: make(map[string]bool), list: []Finding{}}
}

// add notes a finding at a value of the document.
func (f *findings) add(at tree.Node, severity Severity, code, hint, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	key := code + "\x00" + strconv.Itoa(at.Index()) + "\x00" + message
	if f.seen[key] || f.full(code) {
		return
	}
	f.seen[key] = true
	f.list = append(f.list, Finding{
		Code: code, Severity: severity, Message: message, File: at.File(), Pointer: at.Pointer(), Line: at.Line(), Hint: hint,
	})
}

// full counts one finding of the code, and reports whether it is one too many.
func (f *findings) full(code string) bool {
	f.perCode[code]++
	if len(f.list) >= f.most || f.perCode[code] > max(f.most/10, 1) {
		f.omitted++
		return true
	}
	return false
}
