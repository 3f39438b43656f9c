package e2e_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/test/process"
)

// TestOversizedDocumentsAreRefusedHoweverTheyCome in bounded memory: by form,
// by address, compressed, and without an announced length.
func TestOversizedDocumentsAreRefusedHoweverTheyCome(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(zip, spaces{}, 1<<30); err != nil {
		t.Fatal(err)
	}
	zip.Close()
	var sent atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			n, _ := io.CopyN(w, spaces{}, 1<<30)
			sent.Store(n)
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/header":
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("h", 1000))
			}
		}
	}))
	defer web.Close()
	before, peak := p.ResidentMB(), 0.0
	for name, send := range map[string]func(api) answer{
		"by form": func(a api) answer { return a.byForm("large.json", bytes.Repeat([]byte(" "), 65<<20)) },
		"without a length": func(a api) answer {
			return roundTrip(t, a.request(http.MethodPost, imports, "application/yaml", io.LimitReader(spaces{}, 65<<20)))
		},
		"by address":     func(a api) answer { return a.byURL(web.URL + "/large") },
		"a gzip bomb":    func(a api) answer { return a.byURL(web.URL + "/bomb") },
		"a large header": func(a api) answer { return a.byURL(web.URL + "/header") },
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			got := send(api{t, a.API})
			got.problem(t)
			want := http.StatusRequestEntityTooLarge
			if name == "a gzip bomb" || name == "a large header" { // neither is unpacked nor kept
				want = http.StatusUnprocessableEntity
			}
			if got.status != want {
				t.Errorf("got %d %s, want %d", got.status, got.body, want)
			}
			peak = max(peak, p.ResidentMB())
			t.Logf("%d %s, after %v, resident %.0f MB", got.status, got.body, time.Since(began), p.ResidentMB())
		})
	}
	if n := sent.Load(); n > 200<<20 {
		t.Errorf("%d bytes were taken of an address", n)
	}
	if peak > before+150 {
		t.Errorf("resident memory went from %.0f to %.0f MB", before, peak)
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// The address of a document is where it was found in the end.
func TestRelativeServerIsTakenFromWhereARedirectLed(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	there := site(t, []spec{specOf(t, "relative.json", []byte(process.MinimalDocument("Relative", "/base", 1)))})
	here := httptest.NewServer(http.RedirectHandler(there.URL+"/specs/relative.json", http.StatusFound))
	defer here.Close()
	var in staged
	a.byURL(here.URL+"/openapi").into(t, &in)
	if want := there.URL + "/base"; in.Proposed.Upstream != want {
		t.Errorf("got upstream %q, want %q", in.Proposed.Upstream, want)
	}
}

func TestWithoutAGoodTokenNothingIsTold(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	b, own := stranger(t, p, "rival")
	var tokens struct{ Items []process.Object }
	b.read("/tenants/"+own+"/tokens", &tokens)
	if len(tokens.Items) != 1 {
		t.Fatalf("got tokens %+v", tokens)
	}
	if got := b.send("DELETE", "/tenants/"+own+"/tokens/"+tokens.Items[0].ID, "", ""); got.status != http.StatusNoContent {
		t.Errorf("revoke the own token: got %d %s", got.status, got.body)
	}
	for name, header := range map[string]string{
		"none": "", "empty": "Bearer ", "half": "Bearer " + token[:20], "revoked": "Bearer " + b.Token, "basic": "Basic dXNlcjpwYXNz",
		"a key": "Bearer " + p.Key, "long": "Bearer " + strings.Repeat("x", 50_000), "another case": "Bearer " + strings.ToUpper(token),
		"a control": "Bearer " + token + "\t", "two": "Bearer " + token + ", Bearer " + token,
	} {
		for _, path := range []string{"/whoami", "/tenants", "/tenants/demo", "/tenants/demo/apis", "/environments"} {
			req := api{t, p.API("")}.request(http.MethodGet, path, "", nil)
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			got := roundTrip(t, req)
			if name == "a control" && got.status == http.StatusOK {
				continue // white space around a field's value is none of it
			}
			got.problem(t)
			if got.status != http.StatusUnauthorized && got.status != http.StatusRequestHeaderFieldsTooLarge || strings.Contains(got.body, "parcels") || strings.Contains(got.body, "Demo") {
				t.Errorf("%s token, %s: got %d %s, want 401", name, path, got.status, got.body)
			}
		}
	}
	for name, header := range map[string][2]string{
		"another origin": {"Origin", "https://evil.example"}, "another site": {"Sec-Fetch-Site", "cross-site"},
	} {
		req := api{t, p.API(token)}.request(http.MethodPost, "/tenants", "application/json", strings.NewReader(`{"slug":"forged","name":"Forged"}`))
		req.Header.Set(header[0], header[1])
		if got := roundTrip(t, req); got.status != http.StatusForbidden {
			t.Errorf("from %s: got %d %s, want 403", name, got.status, got.body)
		}
	}
}
