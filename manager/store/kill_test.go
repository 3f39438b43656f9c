package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
	"portico/test/postgres"
)

// writing names the database of a child process of TestAcknowledgedWorkSurvivesKill.
const writing = "PORTICO_TEST_WRITE_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if path := os.Getenv(writing); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// writeUntilKilled commits one change after another, and says each when it is
// committed.
func writeUntilKilled(path string) {
	ctx := context.Background()
	s, err := store.Open(ctx, path)
	if err != nil {
		panic(err)
	}
	for {
		var change apim.Change
		err := s.Write(ctx, func(tx *store.Tx) (err error) {
			if err = tx.System().Audit(ctx, apim.Audit{ID: apim.NewID(apim.PrefixAudit, start), At: start, Action: "x"}); err != nil {
				return err
			}
			env, err := tx.System().Environment(ctx, "production")
			if err != nil {
				return err
			}
			change, err = tx.System().Emit(ctx, "production", []entry.Item{item("env", fmt.Sprintf(`{"n":%d}`, env.Sequence))}, start)
			return err
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(change.Sequence)
	}
}

// A process that is killed at any moment loses nothing that it said was done,
// and leaves no half of a transaction.
func TestAcknowledgedWorkSurvivesKill(t *testing.T) {
	postgres.Both(t, testAcknowledgedWorkSurvivesKill)
}

func testAcknowledgedWorkSurvivesKill(t *testing.T, place postgres.Place) {
	path := place(t)
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	environment(t, s, "production")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		said := runAndKill(t, path, 20+round*37)
		s, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		env, err := s.System().Environment(t.Context(), "production")
		if err != nil || env.Sequence < said {
			t.Errorf("got sequence %d, %v, want at least %d, which was acknowledged", env.Sequence, err, said)
		}
		if n, err := s.System().VerifyAudit(t.Context(), ""); err != nil || uint64(n.Rows) != env.Sequence || n.Broken != "" {
			t.Errorf("got %+v audit rows, %v, want one for each of %d changes", n, err, env.Sequence)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill kills a writer after so many changes, and returns the last that it
// said was done.
func runAndKill(t *testing.T, path string, changes int) (said uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), writing+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if _, err := fmt.Sscan(lines.Text(), &said); err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		if n == changes {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return said
}

func TestDatabaseIsItsOwnersAlone(t *testing.T) {
	for _, name := range []string{"portico.db", "with space.db", "100%41.db", "que?ry=1#x.db"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tenant(t, s, "a")
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: got %v, %v, want 0600", name+suffix, info, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "folder.db")); err == nil {
		t.Error("a database was opened where no folder is")
	}
	broken := filepath.Join(t.TempDir(), "broken.db")
	if err := os.WriteFile(broken, []byte("this is no database, and it is long enough to be looked at as if it were one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), broken); err == nil {
		t.Error("what is no database was opened")
	}
}
