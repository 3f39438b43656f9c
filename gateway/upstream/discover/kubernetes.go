package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Kubernetes finds the ready endpoints of a Service by its EndpointSlices: it
// lists them once, and then watches for what changes.
type Kubernetes struct {
	Origin             *Origin
	Namespace, Service string
	Port               string // name or number; "" is the first
}

// endpointSlice is discovery.k8s.io/v1's, as far as it counts here.
type endpointSlice struct {
	Metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Endpoints []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			Ready *bool `json:"ready"`
		} `json:"conditions"`
	} `json:"endpoints"`
	Ports []struct {
		Name *string `json:"name"`
		Port *int    `json:"port"`
	} `json:"ports"`
}

// Run implements Source.
func (k *Kubernetes) Run(ctx context.Context, tell func([]Found, error)) {
	t, p := teller{tell: tell}, pause{}
	for ctx.Err() == nil {
		slices, version, err := k.list(ctx)
		if err == nil {
			_ = t.found(k.found(slices)) // nothing there is told, and may change
			began := time.Now()
			if err = k.watch(ctx, slices, version, &t); time.Since(began) > time.Second {
				p.reset()
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errWatchEnded) {
			t.failed(err)
		}
		if !p.wait(ctx) {
			return
		}
	}
}

func (k *Kubernetes) path() string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(k.Namespace) + "/endpointslices"
}

func (k *Kubernetes) query() url.Values {
	return url.Values{"labelSelector": {"kubernetes.io/service-name=" + k.Service}}
}

func (k *Kubernetes) list(ctx context.Context) (map[string]endpointSlice, string, error) {
	var answer struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []endpointSlice `json:"items"`
	}
	if _, err := k.Origin.get(ctx, k.path(), k.query(), listTimeout, &answer); err != nil {
		return nil, "", fmt.Errorf("list endpoint slices of %s/%s: %w", k.Namespace, k.Service, err)
	}
	out := make(map[string]endpointSlice, len(answer.Items))
	for _, s := range answer.Items {
		out[s.Metadata.Name] = s
	}
	return out, answer.Metadata.ResourceVersion, nil
}

// errWatchEnded says that a watch has to begin anew, which is no fault.
var errWatchEnded = errors.New("the watch ended")

// watchFor is how long the server is asked to let one watch last.
const watchFor = 5 * time.Minute

// watch follows changes until the server ends it, or says that it cannot.
func (k *Kubernetes) watch(ctx context.Context, slices map[string]endpointSlice, version string, t *teller) error {
	ctx, cancel := context.WithTimeout(ctx, watchFor+time.Minute)
	defer cancel()
	query := k.query()
	query.Set("watch", "1")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", version)
	query.Set("timeoutSeconds", strconv.Itoa(int(watchFor/time.Second)))
	res, err := k.Origin.open(ctx, k.path(), query)
	if status := (*statusError)(nil); errors.As(err, &status) && status.status == http.StatusGone {
		return errWatchEnded
	}
	if err != nil {
		return fmt.Errorf("watch endpoint slices of %s/%s: %w", k.Namespace, k.Service, err)
	}
	defer res.Body.Close()
	events := json.NewDecoder(io.LimitReader(res.Body, maxAnswer))
	for {
		var event struct {
			Type   string        `json:"type"`
			Object endpointSlice `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			return errWatchEnded
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			slices[event.Object.Metadata.Name] = event.Object
		case "DELETED":
			delete(slices, event.Object.Metadata.Name)
		case "BOOKMARK":
			continue
		default: // "ERROR": what was asked for is too long ago
			return errWatchEnded
		}
		_ = t.found(k.found(slices))
	}
}

// found are the ready endpoints. An endpoint that does not say is ready.
func (k *Kubernetes) found(slices map[string]endpointSlice) []Found {
	var out []Found
	for _, s := range slices {
		port, ok := k.port(s)
		if !ok {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, a := range e.Addresses {
				out = append(out, Found{net.JoinHostPort(a, strconv.Itoa(port)), 1})
			}
		}
	}
	return out
}

func (k *Kubernetes) port(s endpointSlice) (int, bool) {
	for _, p := range s.Ports {
		if p.Port == nil {
			continue
		}
		if k.Port == "" || p.Name != nil && *p.Name == k.Port || strconv.Itoa(*p.Port) == k.Port {
			return *p.Port, true
		}
	}
	return 0, false
}
