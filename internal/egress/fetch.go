package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Fetched is what Fetch brought.
type Fetched struct {
	Body        []byte
	URL         string // where it came from in the end, after redirects
	ContentType string
}

// ErrStatus is wrapped by Fetch when the answer is not a success.
var ErrStatus = errors.New("the answer is no success")

// Fetch gets a document over http or https under the control profile, of at
// most maxBytes bytes. The address may have been typed by anyone.
func (g *Guard) Fetch(ctx context.Context, address string, maxBytes int64) (*Fetched, error) {
	if err := g.CheckURL(Control, address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	req.Header.Set("Accept", "application/json, application/yaml, text/yaml, */*;q=0.1")
	req.Header.Set("User-Agent", "portico")
	client := g.Client(Control)
	client.Transport = limited{g.transport(Control), maxBytes}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, fmt.Errorf("fetch %s: %s: %w", req.URL.Redacted(), res.Status, ErrStatus)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", req.URL.Redacted(), err)
	}
	return &Fetched{Body: body, URL: res.Request.URL.String(), ContentType: res.Header.Get("Content-Type")}, nil
}

// CheckURL refuses an address that could never be called: not http or https,
// with credentials in it, or naming by number what may not be dialled. It is a
// courtesy to whoever types one; what counts is the check when dialling.
func (g *Guard) CheckURL(profile Profile, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("this is not a URL")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the address has to begin with http:// or https://")
	case host == "":
		return errors.New("the address names no host")
	case u.User != nil:
		return errors.New("the address holds a user name or password; leave them out")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return g.Check(profile, a)
	}
	if oddNumber(host) {
		return &Refused{Profile: profile, Address: host, Reason: "an unusual way to write an IP address"}
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return g.Check(profile, netip.MustParseAddr("127.0.0.1"))
	}
	return nil
}

// oddNumber reports whether some resolvers would read a host as an IPv4
// address though it is not written as one: 2130706433, 0x7f.1, 0177.0.0.1.
// No top-level domain is a number.
func oddNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits := strings.TrimPrefix(last, "0x")
	if digits == "" {
		return last != ""
	}
	for _, c := range digits {
		hex := c >= 'a' && c <= 'f' && digits != last
		if (c < '0' || c > '9') && !hex {
			return false
		}
	}
	return true
}
