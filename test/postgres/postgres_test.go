package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"portico/test/postgres"
)

// starting makes a child process of the test start a server and wait.
const starting = "PORTICO_TEST_START_POSTGRES"

func TestMain(m *testing.M) {
	if os.Getenv(starting) != "" {
		s, err := postgres.Start(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println(s.URL)
		select {}
	}
	os.Exit(m.Run())
}

// A server goes with whoever started it, killed or not, and leaves nothing.
func TestServerEndsWithItsProcess(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), starting+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the server did not start: %v", child.Wait())
	}
	_, dir, _ := strings.Cut(lines.Text(), "host=")
	if _, err := os.Stat(dir + "/data/postmaster.pid"); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
	}
}

func TestDatabasesOfTestsAreApart(t *testing.T) {
	one, other := postgres.SQL(t, postgres.Database(t)), postgres.SQL(t, postgres.Database(t))
	if _, err := one.Exec("INSERT INTO tenant VALUES ('ten_x', 'x', 'X', 0, 1)"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := other.QueryRow("SELECT count(*) FROM tenant").Scan(&n); err != nil || n != 0 {
		t.Errorf("got %d tenants, %v, want an empty database", n, err)
	}
}
