package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"portico/internal/secret"
)

// startTimeout is how long a server may take until it accepts connections.
const startTimeout = 10 * time.Second

// ServerOptions are the settings of a server in this process.
type ServerOptions struct {
	Dir string // of the streams; made when it is not there
	// Listen is a host and port for other processes, which then need Token;
	// "" listens nowhere.
	Listen string
	Token  secret.Text
	// Config is a file as WriteSetup writes it, which says all of the above but
	// Listen, where that is given. Connections need credentials.
	Config string
	Log    *slog.Logger // nil: none
}

// Server is a NATS server inside this process. It may be stopped and started
// again; connections made with it come back by themselves. It is safe for
// concurrent use.
type Server struct {
	options ServerOptions

	mu      sync.Mutex // guards running
	running *server.Server
}

// StartServer starts a server that has streams and nothing else: no monitoring,
// no cluster, no leaf nodes, no WebSocket.
func StartServer(o ServerOptions) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o}
	return s, s.Start()
}

// Start starts a server that was stopped. On one that runs it does nothing.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	options, err := s.options.nats()
	if err != nil {
		return fmt.Errorf("start the bus: %w", err)
	}
	srv, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("start the bus: %w", err)
	}
	log := &serverLog{log: s.options.Log}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // returns when everything runs
	err = log.failed()
	if err == nil && !srv.ReadyForConnections(startTimeout) {
		err = errors.Join(errors.New("it is not ready"), log.failed())
	}
	if err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("start the bus in %s: %w", s.options.Dir, err)
	}
	s.running = srv
	return nil
}

// Stop ends the server and waits until it has. Connections to it stay and wait
// for a Start.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// URL returns where the server listens, "" when it listens nowhere.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil || s.options.Listen == "" && s.options.Config == "" {
		return ""
	}
	return "nats://" + s.running.Addr().String()
}

// InProcessConn is for the client library, which asks again at every attempt
// to reconnect.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil, errors.New("the server of this process is stopped")
	}
	return s.running.InProcessConn()
}

// nats returns the server's own form of the options. The interval of syncing to
// disk stays at the server's two minutes: everything in it can be rebuilt from
// the database, or is kept by its sender until the collector has it.
func (o ServerOptions) nats() (*server.Options, error) {
	if o.Config != "" {
		return o.configured()
	}
	out := &server.Options{
		ServerName: "portico", DontListen: o.Listen == "",
		JetStream: true, StoreDir: o.Dir, DisableJetStreamBanner: true,
		NoSigs: true, NoLog: true, MaxPayload: maxPayload,
	}
	if o.Listen == "" {
		return out, nil
	}
	if o.Token == "" {
		return nil, errors.New("listening for other processes needs a token")
	}
	out.Authorization = o.Token.Reveal()
	return out, o.listen(out)
}

// configured reads the configuration file.
func (o ServerOptions) configured() (*server.Options, error) {
	out, err := server.ProcessConfigFile(o.Config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Config, err)
	}
	out.NoSigs, out.NoLog, out.DisableJetStreamBanner = true, true, true
	if o.Listen == "" {
		return out, nil
	}
	return out, o.listen(out)
}

// listen sets where the server listens.
func (o ServerOptions) listen(out *server.Options) error {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", o.Listen, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 0 || number > 65535 {
		return fmt.Errorf("listen address %q: %q is not a port", o.Listen, port)
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	out.Host, out.Port = host, number
	return nil
}
