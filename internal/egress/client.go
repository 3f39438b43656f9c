package egress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// bounds of a profile's calls.
type bounds struct {
	redirects int
	total     time.Duration // 0: the caller's context alone, since answers may stream
	head      time.Duration // until the answer's head
	body      int64         // bytes of the answer; 0: the caller's to bound
}

func (p Profile) bounds() bounds {
	switch p {
	case Control:
		return bounds{redirects: 3, total: 60 * time.Second, head: 20 * time.Second, body: 64 << 20}
	case AI:
		return bounds{head: 5 * time.Minute, body: 64 << 20}
	}
	return bounds{head: 60 * time.Second}
}

// Client is an HTTP client for a profile. Control follows up to three
// redirects, each dialled through the guard and none from https to http;
// upstream and ai follow none and hand the redirect to their caller. Keep a
// client for as long as its connections should be kept.
//
// Control and ai answers are cut off with ErrTooLarge after 64 MiB. Upstream
// answers are bounded by the gateway, which knows the API's own limit.
func (g *Guard) Client(profile Profile) *http.Client {
	b := profile.bounds()
	var transport http.RoundTripper = g.transport(profile)
	if b.body > 0 {
		transport = limited{transport, b.body}
	}
	return &http.Client{Transport: transport, Timeout: b.total, CheckRedirect: b.redirect}
}

func (g *Guard) transport(profile Profile) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            g.Dialer(profile).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  profile.bounds().head,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // no bomb is unpacked behind the byte limit
	}
}

func (b bounds) redirect(req *http.Request, via []*http.Request) error {
	if b.redirects == 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > b.redirects {
		return fmt.Errorf("redirected more than %d times", b.redirects)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected to %q, which is neither http nor https", req.URL.Scheme)
	}
	if req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
		return errors.New("redirected from https to http")
	}
	return nil
}

// ErrTooLarge is returned by a body's Read once more was sent than allowed.
var ErrTooLarge = errors.New("the answer is larger than allowed")

// limited cuts off answers that are too long.
type limited struct {
	next http.RoundTripper
	most int64
}

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.ContentLength > l.most && req.Method != http.MethodHead {
		_ = res.Body.Close()
		return nil, ErrTooLarge
	}
	res.Body = &limitedBody{res.Body, l.most}
	return res, nil
}

// CloseIdleConnections passes on what http.Client asks for.
func (l limited) CloseIdleConnections() {
	if c, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed tells too long from just right
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
