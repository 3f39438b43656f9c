package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL that this process started.
type Server struct {
	URL string // of a superuser

	line *os.File // closing it, and so the end of this process, ends the server
	cmd  *exec.Cmd
	dir  string
}

// keep starts the server and waits for the end of its input: the server goes,
// and its folder too, when whoever started it has gone, killed or not.
const keep = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
	-c max_connections=400 -c shared_buffers=64MB -c max_wal_size=4GB -c autovacuum=off -c jit=off </dev/null >"$2/log" 2>&1 &
server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf -- "$2"`

// Start starts a server in a new folder and returns when it answers.
func Start(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	programs, err := find(ctx)
	if err != nil {
		return nil, err
	}
	// Not in TMPDIR: a socket's path is short, and has to be reached by another user.
	dir, err := os.MkdirTemp("/tmp", "portico-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, URL: "postgres://postgres@/postgres?sslmode=disable&host=" + dir}
	if err := s.start(ctx, programs); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		s.Stop()
		return nil, fmt.Errorf("start PostgreSQL from %s: %w\n%s", programs, err, log)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, programs string) error {
	as, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	init := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", filepath.Join(s.dir, "data"),
		"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync") // the folder is closed to others
	init.Dir, init.SysProcAttr = s.dir, as
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	input, line, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	s.line = line
	s.cmd = exec.Command("/bin/sh", "-c", keep, "sh", programs, s.dir) // ended by Stop
	s.cmd.Dir, s.cmd.Stdin, s.cmd.SysProcAttr = s.dir, input, as
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	return s.ready(ctx)
}

// unprivileged gives the folder to a user that PostgreSQL runs as, when this
// process is root's: it refuses to be root. The process group is its own, so
// that Ctrl-C does not reach it before its users.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return as, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, os.Chown(dir, int(uid), int(gid))
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// Database makes an empty database for programs that are no tests, and returns
// its address for the role without rights. It goes with the server.
func (s *Server) Database(ctx context.Context) (string, error) {
	c := &cluster{url: s.URL}
	if err := c.prepare(ctx); err != nil {
		return "", err
	}
	name := "portico_" + strings.ToLower(rand.Text()[:16])
	err := c.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error { return c.copyOf(ctx, conn, c.template, name) })
	return c.address(name), err
}

// Analyze gathers the statistics that the server's planner wants of a database
// that was filled in bulk: these servers have no autovacuum to do it.
func Analyze(ctx context.Context, address string) error {
	conn, err := pgx.Connect(ctx, Unbound(address))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	return errors.Join(err, conn.Close(ctx))
}

// PID is the id of the process that the server runs below.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	if s.line != nil {
		_ = s.line.Close()
	}
	if s.cmd != nil {
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}
