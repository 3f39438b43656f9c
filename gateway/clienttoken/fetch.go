package clienttoken

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"portico/gateway/policy"
	"portico/gateway/supply"
)

// maxToken bounds a token: it has to fit into the head of a request.
const maxToken = 16 << 10

// errorCode is what an issuer may call an error (RFC 6749 section 5.2).
var errorCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// fetch gets a token, and says how long it is good. Its errors hold nothing of what
// was sent or answered that could be a secret.
func (s *Store) fetch(ctx context.Context, r policy.TokenRequest) (text string, life time.Duration, err error) {
	if s.options.Client == nil {
		return "", 0, errors.New("this node gets no tokens")
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	config := clientcredentials.Config{
		ClientID: r.ClientID, ClientSecret: r.ClientSecret, TokenURL: r.URL, Scopes: r.Scopes,
		EndpointParams: url.Values{}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	if r.InBody {
		config.AuthStyle = oauth2.AuthStyleInParams
	}
	for name, value := range r.Parameters {
		config.EndpointParams.Set(name, value)
	}
	got, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.options.Client))
	if err != nil {
		return "", 0, told(err)
	}
	if !strings.EqualFold(got.Type(), "Bearer") {
		return "", 0, errors.New("the token is of another type than Bearer")
	}
	if len(got.AccessToken) > maxToken || strings.ContainsFunc(got.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, fmt.Errorf("the token has more than %d bytes, or characters that no token has", maxToken)
	}
	life = usualLife
	if !got.Expiry.IsZero() {
		if life = time.Until(got.Expiry).Round(time.Second); life <= 0 {
			return "", 0, errors.New("the token has ended already")
		}
	}
	return got.AccessToken, min(life, maxLife), nil
}

// repeating lets a request be made again whose kept connection has just ended:
// asking for a token twice does no harm.
type repeating struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Idempotency-Key"] = nil // it is not sent, and says so
	return t.next.RoundTrip(r)
}

// told is an error without what was sent, or answered.
func told(err error) error {
	refused, failed := (*oauth2.RetrieveError)(nil), (*url.Error)(nil)
	switch {
	case errors.As(err, &refused):
		status := http.StatusText(refused.Response.StatusCode)
		if errorCode.MatchString(refused.ErrorCode) {
			return fmt.Errorf("the issuer has answered %d %s: %s", refused.Response.StatusCode, status, refused.ErrorCode)
		}
		return fmt.Errorf("the issuer has answered %d %s", refused.Response.StatusCode, status)
	case errors.As(err, &failed): // its text holds the address, with the query
		return fmt.Errorf("the issuer cannot be reached: %w", supply.Plain(failed))
	}
	return errors.New("the issuer's answer is no token")
}
