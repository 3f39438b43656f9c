package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"portico/gateway"
	"portico/gateway/trace/export"
)

// stopLine ends what a role prints when it has started.
const stopLine = "\n  Stop with Ctrl-C.\n"

// listenAt opens a listener; name is the setting that chose its address.
func listenAt(name, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; is another Portico running? choose another address with --%s", name, err, name)
	}
	return listener, nil
}

// edge serves a handler on a listener until it is shut down.
func edge(l net.Listener, h http.Handler, group *errgroup.Group, log *slog.Logger) *http.Server {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	group.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return srv
}

// operators is what the listener for operators answers.
func operators(live, ready http.Handler, more ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(more...)
	mux := http.NewServeMux()
	mux.Handle("GET /livez", live)
	mux.Handle("GET /readyz", ready)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// nodeMetrics are a node's metrics, and those of what sends its spans; nil: nothing does.
func nodeMetrics(node *gateway.Node, spans *export.Exporter) []prometheus.Collector {
	list := []prometheus.Collector{node.Collector()}
	if spans != nil {
		list = append(list, spans)
	}
	return list
}

// spansOf keeps no exporter from being one.
func spansOf(spans *export.Exporter) gateway.Spans {
	if spans == nil {
		return nil
	}
	return spans
}

// alive answers /livez: the process runs.
func alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // nobody is left to tell
}

// readyWhile answers /readyz: 200 while check finds nothing.
func readyWhile(check func(ctx context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		w.Header().Set("Content-Type", "application/json")
		if err := check(ctx); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"ready":false,"reason":"the database does not answer"}` + "\n"))
			return
		}
		_, _ = w.Write([]byte(`{"ready":true}` + "\n"))
	})
}

// serveEdges runs background work and edges until ctx ends, then shuts the
// edges down, lets what they do finish, and ends the work behind them. A closed
// failed channel says that some of that work is over before its time.
func serveEdges(ctx context.Context, background *errgroup.Group, failed <-chan struct{}, endBehind context.CancelFunc, edges []*http.Server) error {
	select {
	case <-ctx.Done():
	case <-failed: // a part that fails ends the process, not silently
	}
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	for _, srv := range edges {
		_ = srv.Shutdown(closing) // what still runs then is ended with the process
	}
	endBehind()
	if err := background.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
