package demo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/cmd/portico/demo"
)

func TestParcelsAnswerAsDocumented(t *testing.T) {
	srv := httptest.NewServer(demo.New(time.Now, time.Millisecond))
	defer srv.Close()
	booking := `{"to":{"name":"Ada","street":"a","postcode":"1","city":"Oslo","country":"NO"},"weight_g":10}`
	for _, c := range []struct {
		method, path, body string
		status             int
		holds              string
	}{
		{"GET", "/parcels?limit=2", "", 200, `"prc_1003"`},
		{"GET", "/parcels?limit=0", "", 400, "1 to 100"},
		{"GET", "/parcels?status=delivered", "", 200, `"prc_1002"`},
		{"POST", "/parcels", booking, 201, `"prc_1004"`},
		{"POST", "/parcels", `{"weight_g":`, 422, "not a booking"},
		{"POST", "/parcels", `{}`, 422, "to.name"},
		{"GET", "/parcels/prc_1001", "", 200, "Göteborg"},
		{"GET", "/parcels/prc_9", "", 404, "no parcel prc_9"},
		{"GET", "/parcels/prc_1001/label.txt", "", 200, "PARCELS  prc_1001"},
		{"GET", "/parcels/prc_1001/label.svg", "", 200, "<svg"},
		{"GET", "/parcels/prc_1001/label.pdf", "", 404, "label.txt"},
		{"GET", "/parcels/prc_1001/events", "", 200, `"delivered"`},
		{"DELETE", "/parcels/prc_1004", "", 204, ""},
		{"DELETE", "/parcels/prc_1004", "", 409, "booked"},
		{"GET", "/rates?country=SE&weight_g=1840", "", 200, `"standard"`},
		{"GET", "/rates?country=Sweden&weight_g=1", "", 422, "two-letter"},
		{"GET", "/status", "", 200, "operational"},
		{"GET", "/nowhere", "", 404, ""},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			req, err := http.NewRequest(c.method, srv.URL+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status || !strings.Contains(string(body), c.holds) {
				t.Errorf("got %d %s, want %d with %q", res.StatusCode, body, c.status, c.holds)
			}
		})
	}
}

func TestParcelsAreBounded(t *testing.T) {
	p := demo.New(time.Now, 0)
	for range 1100 {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("POST", "/parcels", strings.NewReader(`{"to":{"name":"a","country":"NO"},"weight_g":1}`)))
		if w.Code != http.StatusCreated {
			t.Fatalf("booking answered %d", w.Code)
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	if got, want := strings.TrimSpace(w.Body.String()), `{"parcels":1000,"status":"operational"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
