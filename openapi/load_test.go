package openapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"portico/openapi"
)

func TestLoadReportsItsStagesAndItsEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	var stages []string
	ended := make(chan struct{})
	_, err := openapi.Load(context.Background(), []byte(ring(3)), openapi.LoadOptions{
		Progress: func(stage string, done, total int) {
			if done < 0 || done > total || total != 3 {
				t.Errorf("%s: %d of %d", stage, done, total)
			}
			stages = append(stages, stage)
		},
		Finished: func() { close(ended) },
	})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, ended)
	if want := []string{"read", "load", "validate", "validate"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
}

// TestAbandonedLoadReturnsAtOnceAndStillSaysWhenItEnded: kin-openapi goes on
// until it is done, so whatever lets one load run at a time is held until then.
func TestAbandonedLoadReturnsAtOnceAndStillSaysWhenItEnded(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	_, err := openapi.Load(ctx, []byte(hub(1000)), openapi.LoadOptions{
		Progress: func(stage string, _, _ int) {
			if stage == openapi.StageLoad {
				cancel()
			}
		},
		Finished: func() { close(ended) },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
	wait(t, ended)
}

func TestLoadThatIsRefusedHasEndedToo(t *testing.T) {
	ended := make(chan struct{})
	if _, err := openapi.Load(context.Background(), []byte("{"), openapi.LoadOptions{Finished: func() { close(ended) }}); err == nil {
		t.Error("half a document is loaded")
	}
	wait(t, ended)
}

func TestEndedContextStopsAScan(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := openapi.Scan(ctx, []byte(ring(3)), openapi.ScanOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

// TestNothingOutsideTheDocumentIsRead: not over HTTP, and no file, though both
// are there to be read.
func TestNothingOutsideTheDocumentIsRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a reference was fetched") }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"type": "string", "description": "from the file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{server.URL + "/a.json", server.URL + "/a.json#/x", file, "file://" + file, "../" + filepath.Base(file)} {
		document := strings.Replace(ring(2), `"Last":{"type":"string"}`, `"Last":{"$ref":"`+target+`"}`, 1)
		doc, err := openapi.Load(context.Background(), []byte(document), openapi.LoadOptions{SourceURL: server.URL + "/openapi.json"})
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		f := doc.Outline.Findings
		if len(f) != 1 || f[0].Code != "external_ref" || f[0].Severity != openapi.SeverityError || f[0].Line != 1 ||
			f[0].Pointer != "/components/schemas/Last/$ref" || !strings.Contains(f[0].Message, target) {
			t.Errorf("%s: findings %+v", target, f)
		}
		for s := range doc.Schemas() {
			if strings.Contains(s.Description+s.Property.Description, "from the file") {
				t.Errorf("%s was read", target)
			}
		}
	}
}

func wait(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Finished was not called")
	}
}
