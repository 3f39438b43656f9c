package stand

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"portico/test/bench/machine"
)

// Nginx is a running nginx with one worker, in front of an upstream.
type Nginx struct {
	Plain, Logged, TLS, H2C, H2 string // where it listens; Logged also writes an access log
	Worker                      int    // its process id

	dir string
	cmd *exec.Cmd
	out strings.Builder
}

// StartNginx starts the installed nginx with a folder of its own.
func StartNginx(ctx context.Context, upstream string, c Certificate) (*Nginx, error) {
	dir, err := os.MkdirTemp("", "portico-nginx-")
	if err != nil {
		return nil, err
	}
	n := &Nginx{dir: dir}
	for _, into := range []*string{&n.Plain, &n.Logged, &n.TLS, &n.H2C, &n.H2} {
		if *into, err = Free(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := n.start(ctx, upstream, c); err != nil {
		n.Close()
		return nil, fmt.Errorf("start nginx: %w\n%s", err, n.out.String())
	}
	return n, nil
}

func (n *Nginx) start(ctx context.Context, upstream string, c Certificate) error {
	file := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(n.config(upstream, c, os.Geteuid() == 0)), 0o600); err != nil {
		return err
	}
	n.cmd = exec.Command("nginx", "-p", n.dir, "-c", file, "-e", filepath.Join(n.dir, "error.log")) // ended by Close
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.out
	if err := n.cmd.Start(); err != nil {
		n.cmd = nil
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for {
		workers, err := machine.Children(n.cmd.Process.Pid)
		if err == nil && len(workers) == 1 {
			n.Worker = workers[0]
			var c net.Conn
			if c, err = (&net.Dialer{}).DialContext(ctx, "tcp", n.Plain); err == nil {
				return c.Close()
			}
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(n.dir, "error.log"))
			return fmt.Errorf("%w: %d workers, %w\n%s", ctx.Err(), len(workers), err, log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Free finds an address that nobody listens at.
func Free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// config is how somebody would set it up who wants it quick: connections are kept on both
// sides, bodies pass through memory and not through files, and TLS takes the
// cheaper cipher, the one that Go takes too.
func (n *Nginx) config(upstream string, c Certificate, root bool) string {
	user := ""
	if root { // its worker would become somebody who may not write here
		user = "user root;\n"
	}
	server := func(listen string, more ...string) string {
		return fmt.Sprintf("  server {\n    listen %s;\n    %s\n    location / { proxy_pass http://upstream; }\n  }\n", listen, strings.Join(more, "\n    "))
	}
	secure := []string{
		"ssl_certificate " + c.ChainFile + ";", "ssl_certificate_key " + c.KeyFile + ";", "ssl_protocols TLSv1.3;",
		"ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", "ssl_session_cache shared:tls:10m;",
	}
	return user + `daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
events { worker_connections 19000; }
http {
  access_log off;
  client_body_temp_path client_body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 64m;
  client_body_buffer_size 64k;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  proxy_buffers 16 32k;
  upstream upstream {
    server ` + upstream + `;
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
` + server(n.Plain) + server(n.Logged, "access_log access.log combined;") + server(n.TLS+" ssl", secure...) +
		server(n.H2C+" http2") + server(n.H2+" ssl http2", secure...) + "}\n"
}

// Close ends it and removes its folder.
func (n *Nginx) Close() {
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // at once; it may have ended
		_ = n.cmd.Wait()
	}
	_ = os.RemoveAll(n.dir)
}

// ForgetLog empties the access log: it grows by megabytes a second.
func (n *Nginx) ForgetLog() error { return os.Truncate(filepath.Join(n.dir, "access.log"), 0) }
