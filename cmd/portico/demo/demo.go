// Package demo is the small API that `portico serve --demo` offers: a carrier
// called Parcels with its OpenAPI document and the upstream behind it.
//
// It is an example and a target for the first call, not a fixture of the
// tests (those have test/fake). What it keeps is in memory, bounded, and gone
// with the process.
package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Document is the API's OpenAPI document, YAML.
//
//go:embed parcels.yaml
var Document []byte

// mostParcels bounds what the demo remembers; the oldest give way.
const mostParcels = 1000

// Parcels is the upstream. Use New; it is safe for concurrent use.
type Parcels struct {
	now  func() time.Time
	step time.Duration
	mux  *http.ServeMux

	mu      sync.Mutex // guards all below
	parcels []parcel
	next    int
}

type address struct {
	Name     string `json:"name"`
	Street   string `json:"street"`
	Postcode string `json:"postcode"`
	City     string `json:"city"`
	Country  string `json:"country"`
}

type parcel struct {
	ID       string    `json:"id"`
	To       address   `json:"to"`
	WeightG  int       `json:"weight_g"`
	Status   string    `json:"status"`
	BookedAt time.Time `json:"booked_at"`
}

// New returns the upstream with three parcels under way. step is the time
// between two events of a followed parcel.
func New(now func() time.Time, step time.Duration) *Parcels {
	p := &Parcels{now: now, step: step, mux: http.NewServeMux(), next: 1001}
	ada := address{"Ada Svensson", "Kungsgatan 12", "411 19", "Göteborg", "SE"}
	jo := address{"Jo Lindqvist", "Havnegade 3", "1058", "København", "DK"}
	mia := address{"Mia Halden", "Storgata 8", "0184", "Oslo", "NO"}
	for i, to := range []address{ada, jo, mia} {
		p.book(to, 400+720*i)
		p.parcels[i].Status = []string{"in_transit", "delivered", "booked"}[i]
	}
	p.mux.HandleFunc("GET /parcels", p.list)
	p.mux.HandleFunc("POST /parcels", p.create)
	p.mux.HandleFunc("GET /parcels/{id}", p.get)
	p.mux.HandleFunc("DELETE /parcels/{id}", p.cancel)
	p.mux.HandleFunc("GET /parcels/{id}/{label}", p.label)
	p.mux.HandleFunc("GET /parcels/{id}/events", p.follow)
	p.mux.HandleFunc("GET /rates", rates)
	p.mux.HandleFunc("GET /status", p.status)
	return p
}

// ServeHTTP answers the API's operations; anything else is 404.
func (p *Parcels) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

func (p *Parcels) book(to address, weight int) parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := parcel{ID: "prc_" + strconv.Itoa(p.next), To: to, WeightG: weight, Status: "booked", BookedAt: p.now().UTC().Truncate(time.Second)}
	p.next++
	if len(p.parcels) == mostParcels {
		p.parcels = slices.Delete(p.parcels, 0, 1)
	}
	p.parcels = append(p.parcels, made)
	return made
}

func (p *Parcels) find(id string) (parcel, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.parcels, func(x parcel) bool { return x.ID == id })
	if i < 0 {
		return parcel{}, false
	}
	return p.parcels[i], true
}

func (p *Parcels) list(w http.ResponseWriter, r *http.Request) {
	limit, status := 20, r.URL.Query().Get("status")
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 100 {
			problem(w, http.StatusBadRequest, "limit is a number from 1 to 100.")
			return
		}
		limit = n
	}
	p.mu.Lock()
	items := []parcel{}
	for _, x := range slices.Backward(p.parcels) {
		if len(items) < limit && (status == "" || x.Status == status) {
			items = append(items, x)
		}
	}
	p.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"items": items})
}

func (p *Parcels) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		To      address `json:"to"`
		WeightG int     `json:"weight_g"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&in); err != nil {
		problem(w, http.StatusUnprocessableEntity, "The body is not a booking: "+err.Error()+".")
		return
	}
	if in.To.Name == "" || len(in.To.Country) != 2 || in.WeightG < 1 || in.WeightG > 31500 {
		problem(w, http.StatusUnprocessableEntity, "A booking needs to.name, a two-letter to.country and a weight_g from 1 to 31500.")
		return
	}
	made := p.book(in.To, in.WeightG)
	w.Header().Set("Location", "/parcels/"+made.ID)
	answer(w, http.StatusCreated, made)
}

func (p *Parcels) get(w http.ResponseWriter, r *http.Request) {
	x, ok := p.find(r.PathValue("id"))
	if !ok {
		noParcel(w, r)
		return
	}
	answer(w, http.StatusOK, x)
}

func (p *Parcels) cancel(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	i := slices.IndexFunc(p.parcels, func(x parcel) bool { return x.ID == r.PathValue("id") })
	booked := i >= 0 && p.parcels[i].Status == "booked"
	if booked {
		p.parcels[i].Status = "cancelled"
	}
	p.mu.Unlock()
	switch {
	case i < 0:
		noParcel(w, r)
	case !booked:
		problem(w, http.StatusConflict, "Only a booked parcel can be cancelled.")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (p *Parcels) label(w http.ResponseWriter, r *http.Request) {
	x, ok := p.find(r.PathValue("id"))
	if !ok {
		noParcel(w, r)
		return
	}
	switch r.PathValue("label") {
	case "label.txt":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "PARCELS  %s\n%s\n%s\n%s %s %s\n", x.ID, x.To.Name, x.To.Street, x.To.Postcode, x.To.City, x.To.Country)
	case "label.svg":
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="280" height="60"><text x="10" y="36" font-family="monospace">PARCELS %s</text></svg>`, x.ID)
	default:
		problem(w, http.StatusNotFound, "Labels come as label.txt and label.svg.")
	}
}

func (p *Parcels) follow(w http.ResponseWriter, r *http.Request) {
	x, ok := p.find(r.PathValue("id"))
	if !ok {
		noParcel(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for i, s := range []struct{ status, place string }{
		{"booked", "Your door"}, {"picked_up", "Depot West"}, {"in_transit", "Hub Central"}, {"delivered", x.To.City},
	} {
		if i > 0 {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(p.step):
			}
		}
		data, _ := json.Marshal(map[string]string{"status": s.status, "place": s.place})
		fmt.Fprintf(w, "event: step\nid: %d\ndata: %s\n\n", i+1, data)
		if flush.Flush() != nil {
			return
		}
	}
}

func rates(w http.ResponseWriter, r *http.Request) {
	weight, err := strconv.Atoi(r.URL.Query().Get("weight_g"))
	country := strings.ToUpper(r.URL.Query().Get("country"))
	if err != nil || weight < 1 || weight > 31500 || len(country) != 2 {
		problem(w, http.StatusUnprocessableEntity, "Give a two-letter country and a weight_g from 1 to 31500.")
		return
	}
	cents := 480 + weight*9/100
	answer(w, http.StatusOK, []map[string]any{
		{"service": "standard", "price": euros(cents), "currency": "EUR", "days": 3},
		{"service": "express", "price": euros(cents + 500), "currency": "EUR", "days": 1},
	})
}

func (p *Parcels) status(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	known := len(p.parcels)
	p.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"status": "operational", "parcels": known})
}

func euros(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

func noParcel(w http.ResponseWriter, r *http.Request) {
	problem(w, http.StatusNotFound, "There is no parcel "+r.PathValue("id")+".")
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller may have gone
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
