package gateway_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The dashboard asks for nothing that there is not.
func TestDashboardAsksForMetricsThatThereAre(t *testing.T) {
	raw, err := os.ReadFile("../deploy/grafana/gateway.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	described := make(chan *prometheus.Desc, 100)
	idle(t, "").Collector().Describe(described)
	close(described)
	for d := range described {
		known[regexp.MustCompile(`portico_gateway_\w+`).FindString(d.String())] = true
	}
	asked := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`portico_gateway_\w+`).FindAllString(target.Expr, -1) {
				asked++
				if name = regexp.MustCompile(`_bucket$`).ReplaceAllString(name, ""); !known[name] {
					t.Errorf("%s: there is no %s", target.Expr, name)
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("it asks for %d", asked)
	}
}
