package egress_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/internal/egress"
)

func TestRedirectsAreFollowedByControlAloneAndCheckedAgain(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "end") })
	mux.HandleFunc("/hop/{n}", func(w http.ResponseWriter, r *http.Request) {
		to := "/end"
		if n := r.PathValue("n"); n > "1" {
			to = "/hop/" + string(n[0]-1)
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	for path, to := range map[string]string{
		"/metadata": "http://169.254.169.254/latest/meta-data/", "/mapped": "http://[::ffff:169.254.169.254]/",
		"/private": "http://10.0.0.1/", "/file": "file:///etc/passwd", "/decimal": "http://2852039166/",
	} {
		mux.Handle(path, http.RedirectHandler(to, http.StatusFound))
	}
	guard := &egress.Guard{Allow: egress.Loopback(), Resolver: resolver(t, "169.254.169.254")}

	for path, want := range map[string]string{"/hop/1": "end", "/hop/3": "end"} {
		got, err := guard.Fetch(context.Background(), server.URL+path, 100)
		if err != nil || string(got.Body) != want || got.URL != server.URL+"/end" {
			t.Errorf("%s: %+v, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]string{
		"/hop/4": "redirected more than 3 times", "/metadata": "metadata", "/mapped": "metadata",
		"/private": "private", "/file": "file", "/decimal": "2852039166",
	} {
		if _, err := guard.Fetch(context.Background(), server.URL+path, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", path, err, want)
		}
	}
	for _, profile := range []egress.Profile{egress.Upstream, egress.AI} {
		client := guard.Client(profile)
		res, err := client.Get(server.URL + "/hop/1")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		client.CloseIdleConnections()
		if res.StatusCode != http.StatusFound {
			t.Errorf("%s answers %d, want the redirect itself", profile, res.StatusCode)
		}
	}
}

func TestRedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called over http") }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	client := (&egress.Guard{Allow: egress.Loopback()}).Client(egress.Control)
	client.Transport = secure.Client().Transport // trusts the test's certificate
	if _, err := client.Get(secure.URL); err == nil || !strings.Contains(err.Error(), "https to http") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestFetchIsBounded(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/exact", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1000)) })
	mux.HandleFunc("/over", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1001)) })
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 10<<20))
		_ = z.Close()
	})
	mux.HandleFunc("/missing", http.NotFound)
	guard := &egress.Guard{Allow: egress.Loopback()}
	got, err := guard.Fetch(context.Background(), server.URL+"/exact", 1000)
	if err != nil || len(got.Body) != 1000 {
		t.Errorf("a document of exactly the limit: %v", err)
	}
	for _, path := range []string{"/over", "/chunked", "/bomb"} {
		if _, err := guard.Fetch(context.Background(), server.URL+path, 1000); !errors.Is(err, egress.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", path, err)
		}
	}
	if _, err := guard.Fetch(context.Background(), server.URL+"/missing", 1000); !errors.Is(err, egress.ErrStatus) {
		t.Errorf("a 404: %v, want ErrStatus", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := (&egress.Guard{Allow: egress.Loopback()}).Fetch(ctx, server.URL, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
}

func TestFetchRefusesWhatIsNoAddress(t *testing.T) {
	guard := &egress.Guard{Allow: egress.Loopback()}
	for _, address := range []string{"", "file:///etc/passwd", "data:text/plain,x", "unix:/run/x", "http://u:p@127.0.0.1/", "http://"} {
		if _, err := guard.Fetch(context.Background(), address, 10); err == nil {
			t.Errorf("%q was fetched", address)
		}
	}
}
