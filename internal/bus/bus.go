package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/secret"
)

// Times of a connection. A server that hangs is noticed after three pings.
const (
	pingEvery   = 2 * time.Second
	pingsOut    = 3
	callTimeout = 5 * time.Second // of one question to the server
	minPause    = 20 * time.Millisecond
	maxPause    = 2 * time.Second
)

// Options say where the bus is: Server in this process, or URL of another, with
// one of the ways to be let in there.
type Options struct {
	Server *Server

	URL   string
	Token secret.Text // of a server without accounts
	// Operator is a manager's: it enters every account by itself.
	Operator *Operator
	// Credentials are a node's or a portal's. Inbox is the prefix that their
	// permissions name.
	Credentials *Credentials
	Inbox       string
	RootCAs     string // a PEM file for tls:// addresses; "" is the system's
	// Gently is for a process whose calls are not to wait for what is sent from here:
	// to a URL, what is large goes out in pieces, with pauses.
	Gently bool

	Name string // of this process, for the server's operator
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now
}

// Bus is a connection. It is made also while the server is away, reconnects for
// ever, and is safe for concurrent use.
//
// With an operator it is one connection to the account that managers share, and
// one more for each environment, made when it is first asked for.
type Bus struct {
	options Options
	conn    *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	now     func() time.Time

	mu    sync.Mutex // guards what follows
	since time.Time
	lost  bool
	loss  chan struct{}    // closed and replaced when the connection is lost
	lines map[string]*line // into other accounts, with an operator
}

// Connect makes a connection, now or as soon as the server is there. The error
// is of the options alone.
func Connect(o Options) (*Bus, error) {
	if (o.Server == nil) == (o.URL == "") {
		return nil, errors.New("connect to the bus: give a server or a URL")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return connect(o, controlAccount)
}

// connect makes a connection; account is the one that an operator enters.
func connect(o Options, account string) (*Bus, error) {
	b := &Bus{options: o, log: o.Log, now: o.Now, loss: make(chan struct{}), lines: map[string]*line{}}
	options := []nats.Option{
		nats.Name(o.Name), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now is refused, not sent late
		nats.CustomReconnectDelay(pause), nats.Timeout(callTimeout),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsOut),
		nats.IgnoreAuthErrorAbort(), // an account may not be known yet
		nats.ConnectHandler(func(*nats.Conn) { b.turn(true) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.turn(true) }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { b.turn(false) }),
		nats.ClosedHandler(func(*nats.Conn) { b.turn(false) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("bus error", "error", err)
		}),
	}
	more, err := o.entry(account)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	conn, err := nats.Connect(o.URL, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	b.conn = conn
	b.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(callTimeout),
		jetstream.WithPublishAsyncTimeout(callTimeout), jetstream.WithPublishAsyncMaxPending(2*window))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	if conn.IsConnected() {
		b.turn(true)
	}
	return b, nil
}

// entry is how a connection is let in.
func (o Options) entry(account string) ([]nats.Option, error) {
	if o.Server != nil {
		out := []nats.Option{nats.InProcessServer(o.Server)}
		if token := o.Server.options.Token; token != "" {
			out = append(out, nats.Token(token.Reveal()))
		}
		return out, nil
	}
	var out []nats.Option
	if o.Gently {
		out = append(out, nats.SetCustomDialer(&gentle{net.Dialer{Timeout: callTimeout}}))
	}
	if o.RootCAs != "" {
		out = append(out, nats.RootCAs(o.RootCAs))
	}
	if o.Inbox != "" {
		out = append(out, nats.CustomInboxPrefix(o.Inbox))
	}
	as := o.Credentials
	if o.Operator != nil {
		own, err := o.Operator.own(account)
		if err != nil {
			return nil, err
		}
		as = &own
	}
	switch {
	case as != nil:
		in, err := as.option()
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	case o.Token != "":
		out = append(out, nats.Token(o.Token.Reveal()))
	}
	return out, nil
}

// line is the connection that carries an environment: with an operator one of
// its own, in the environment's account.
func (b *Bus) line(slug string) *Bus {
	if b.options.Operator == nil {
		return b
	}
	return b.into(environmentAccount(slug))
}

// line to an account, which is made once. The first attempt takes seconds where
// the server does not know the account, so no lock is held meanwhile.
type line struct {
	once sync.Once
	bus  *Bus
}

// into returns the connection to an account, with an operator.
func (b *Bus) into(account string) *Bus {
	b.mu.Lock()
	l := b.lines[account]
	if l == nil {
		l = new(line)
		b.lines[account] = l
	}
	b.mu.Unlock()
	l.once.Do(func() {
		o := b.options
		o.Log = o.Log.With("account", account)
		var err error
		if l.bus, err = connect(o, account); err != nil {
			panic(err) // of the options alone, which Connect has checked
		}
	})
	return l.bus
}

// Forget ends the connection that carries an environment, where it has one of
// its own. One that is asked for later is a new one.
func (b *Bus) Forget(slug string) {
	b.mu.Lock()
	l := b.lines[environmentAccount(slug)]
	delete(b.lines, environmentAccount(slug))
	b.mu.Unlock()
	if l == nil {
		return
	}
	l.once.Do(func() {}) // no connection is made any more
	if l.bus != nil {
		l.bus.Close()
	}
}

// Close ends the connection.
func (b *Bus) Close() {
	b.mu.Lock()
	lines := b.lines
	b.lines = map[string]*line{}
	b.mu.Unlock()
	for _, l := range lines {
		l.once.Do(func() {}) // no connection is made any more
		if l.bus != nil {
			l.bus.Close()
		}
	}
	b.conn.Close()
}

// Connected says whether the bus is there now, and since when it is or is not;
// the zero time when it never was.
func (b *Bus) Connected() (since time.Time, ok bool) {
	ok = b.conn.IsConnected()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since, ok
}

// turn notes that the connection came or went.
func (b *Bus) turn(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !up {
		close(b.loss)
		b.loss = make(chan struct{})
	}
	if up == !b.lost && !b.since.IsZero() {
		return
	}
	b.since, b.lost = b.now(), !up
	b.log.Info("bus connection changed", "connected", up)
}

// errLost says that the connection went in the middle of something.
var errLost = errors.New("the connection to the bus was lost")

// untilLoss returns a channel that is closed when the connection is lost next.
func (b *Bus) untilLoss() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loss
}

// connected calls do with a context that ends also when the connection is lost:
// no answer comes after that.
func (b *Bus) connected(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	loss, done := b.untilLoss(), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-loss:
			cancel(errLost)
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-done }()
	err := do(ctx)
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

// pause returns how long to wait before an attempt: doubling from minPause to
// maxPause, spread by half, so that many nodes do not come back at once.
func pause(attempt int) time.Duration {
	wait := maxPause
	if attempt < 8 {
		wait = min(maxPause, minPause<<max(0, attempt))
	}
	return wait/2 + rand.N(wait/2)
}
