package e2e_test

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"portico/test/process"
)

func TestPrintedLineCallsTheDemo(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	if p.FirstRun == "" || p.Curl == "" || p.Key == "" {
		t.Fatalf("the banner lacks the link or the line:\n%s", p.Output())
	}
	fields := strings.Fields(p.Curl)
	status, body := call(t, fields[len(fields)-1], p.Key)
	if status != http.StatusOK || !strings.Contains(body, "prc_1001") {
		t.Errorf("got %d %s", status, body)
	}
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(p.Curl, "curl ", "curl -sS ", 1)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "prc_1001") {
			t.Errorf("as pasted: got %v %s", err, out)
		}
	}
}

func TestDemoIsLoadedOnceAndItsLineWorksAtEveryStart(t *testing.T) {
	data := t.TempDir()
	first := start(t, process.Options{Demo: true, Data: data})
	if err := first.Stop(t.Context()); err != nil {
		t.Fatalf("the first run ended with %v\n%s", err, first.Output())
	}
	again := start(t, process.Options{Demo: true, Data: data, Ports: &first.Ports})
	if status, body := call(t, again.Gateway+"/demo/parcels/v1/parcels", again.Key); status != http.StatusOK {
		t.Errorf("the second start's line: got %d %s", status, body)
	}
	if status, _ := call(t, again.Gateway+"/demo/parcels/v1/parcels", first.Key); status != http.StatusUnauthorized {
		t.Errorf("the first start's key: got %d, want 401", status)
	}
	if got := apiOf(t, again); got.Do(t.Context(), "GET", "/tenants/demo/apis/parcels", nil, nil) != nil {
		t.Error("the demo's API is gone")
	}
}

func TestServeWithoutDemoHasNoTenant(t *testing.T) {
	p := start(t, process.Options{})
	var tenants struct{ Items []process.Object }
	if err := p.API(token).Do(t.Context(), "GET", "/tenants", nil, &tenants); err != nil || len(tenants.Items) != 0 {
		t.Errorf("got %v, %v, want none", tenants.Items, err)
	}
	if p.Curl != "" || p.FirstRun == "" {
		t.Errorf("the banner of serve without a demo:\n%s", p.Output())
	}
}

func TestStreamsPassAsTheyCome(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Gateway+"/demo/parcels/v1/parcels/prc_1001/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	began, times := time.Now(), []time.Duration{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "event: step") {
			times = append(times, time.Since(began))
		}
	}
	if len(times) != 4 || times[0] > 500*time.Millisecond || times[3] < 2*time.Second {
		t.Errorf("four events a second apart came at %v", times)
	}
}

func TestSettingsThatCannotWorkAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"short token", []string{"PORTICO_BOOTSTRAP_TOKEN=short"}, nil, "bootstrap-token"},
		{"address", []string{"PORTICO_GATEWAY_ADDR=8080"}, nil, "gateway-addr"},
		{"url", []string{"PORTICO_PORTAL_URL=portal.example"}, nil, "portal-url"},
		{"range", []string{"PORTICO_UPSTREAM_ALLOW=ten"}, nil, "upstream-allow"},
		{"flag", nil, []string{"--nowhere"}, "nowhere"},
		{"file", nil, []string{"--config", "/nonexistent.json"}, "nonexistent.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			cmd := exec.CommandContext(ctx, binary, append([]string{"serve"}, c.args...)...)
			cmd.Env = append(cmd.Environ(), append([]string{"PORTICO_DATA=" + t.TempDir()}, c.env...)...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("got %v\n%s\nwant a refusal that names %s", err, out, c.want)
			}
		})
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	p := start(t, process.Options{})
	cmd := exec.CommandContext(t.Context(), binary, "serve")
	cmd.Env = append(cmd.Environ(), "PORTICO_DATA="+t.TempDir(), "PORTICO_GATEWAY_ADDR="+p.Ports.Gateway)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--gateway-addr") {
		t.Errorf("got %v\n%s", err, out)
	}
}
