package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"portico/test/process"
)

// token is the operator's API token that the tests start Portico with.
const token = "e2e-bootstrap-token-0123456789-0123456789"

// binary is built once for all tests, by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portico-e2e-")
	if err == nil {
		binary, err = process.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// start runs a portico that ends with the test.
func start(t *testing.T, o process.Options) *process.Process {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	o.Env = append([]string{"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=warn"}, o.Env...)
	p, err := process.Start(ctx, binary, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("portico said:\n%s", p.Output())
		}
	})
	return p
}

// api is the management API of a process, whose refusals end the test.
type api struct {
	t *testing.T
	*process.API
}

func apiOf(t *testing.T, p *process.Process) api { return api{t, p.API(token)} }

func (a api) do(method, path string, body any) process.Object {
	a.t.Helper()
	var out process.Object
	if err := a.Do(a.t.Context(), method, path, body, &out); err != nil {
		a.t.Fatal(err)
	}
	return out
}

// call makes a request of the gateway and returns status and body.
func call(t *testing.T, url, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("within %v it was not so that %s", within, what)
}
