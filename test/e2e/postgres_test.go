package e2e_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"portico/test/postgres"
	"portico/test/process"
)

// With PostgreSQL the data folder holds nothing that cannot be made again: a
// start in a new one serves what the database says.
func TestServeOnPostgreSQL(t *testing.T) {
	address := postgres.Database(t)
	database := "PORTICO_DATABASE_URL=" + address
	data := t.TempDir()
	first := start(t, process.Options{Demo: true, Data: data, Env: []string{database}})
	if status, body := call(t, first.Gateway+"/demo/parcels/v1/parcels", first.Key); status != http.StatusOK || !strings.Contains(body, "prc_1001") {
		t.Errorf("the printed line: got %d %s", status, body)
	}
	if strings.Contains(first.Output(), address) {
		t.Error("the database's address was printed")
	}
	if _, err := os.Stat(data + "/portico.db"); err == nil {
		t.Error("there is a SQLite database beside")
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatalf("the first run ended with %v\n%s", err, first.Output())
	}
	again := start(t, process.Options{Demo: true, Env: []string{database}, Ports: &first.Ports})
	if status, body := call(t, again.Gateway+"/demo/parcels/v1/parcels", again.Key); status != http.StatusOK {
		t.Errorf("in a new folder: got %d %s", status, body)
	}
	if status, _ := call(t, again.Gateway+"/demo/parcels/v1/parcels", first.Key); status != http.StatusUnauthorized {
		t.Errorf("the first start's key in a new folder: got %d, want 401", status)
	}
}
