package spec_test

import (
	"testing"

	"portico/openapi"
	"portico/openapi/lint"
	"portico/openapi/spec"
)

// What Portico asks of other people's documents its own keeps.
func TestOurDocumentKeepsOurRules(t *testing.T) {
	raw := []byte(spec.Management())
	outline, err := openapi.Scan(t.Context(), raw, openapi.ScanOptions{SourceURL: "http://localhost:8082/api/v1/openapi.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range outline.Findings {
		t.Errorf("scan: %s line %d: %s", f.Code, f.Line, f.Message)
	}
	doc, err := openapi.Load(t.Context(), raw, openapi.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	report := lint.Run(t.Context(), doc)
	for _, f := range report.Findings {
		t.Errorf("%s line %d: %s", f.Code, f.Line, f.Message)
	}
	if report.Score != 100 {
		t.Errorf("score %d, want 100", report.Score)
	}
}
