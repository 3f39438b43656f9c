package policy

import (
	"context"
	"hash/crc32"
	"net/http"
	"strings"
	"unsafe"

	"portico/internal/entry"
)

// keyStep identifies the caller by an API key. Where a key may stand is read
// and then removed, whatever was there: an application's key opens products of
// several tenants, and no upstream may see it.
type keyStep struct {
	config  entry.KeyPolicy
	places  string
	grants  Grants
	limiter *Limiter
	among
}

func newKeyStep(config entry.KeyPolicy, tools Tools, among among) *keyStep {
	return &keyStep{config, keyPlaces(config), tools.Grants, tools.Limiter, among}
}

// keyPlaces says where a key may stand.
func keyPlaces(config entry.KeyPolicy) string {
	var places []string
	if config.Bearer {
		places = append(places, bearerPlace)
	}
	if config.Header != "" {
		places = append(places, "the header "+config.Header)
	}
	if config.Query != "" {
		places = append(places, "the query parameter "+config.Query)
	}
	return strings.Join(places, " or ")
}

// Run implements Step.
func (s *keyStep) Run(_ context.Context, ex *Exchange) error {
	if grant := ex.ahead.likely; grant != nil {
		s.limiter.ahead(&grant.first)
	}
	key, count := s.take(ex)
	switch {
	case ex.Caller.By != "": // by a policy before this one
		return nil
	case count == 0:
		return s.missing()
	case count > 1:
		return s.denied("credential_invalid", "The request carries several different API keys. Send one only.")
	}
	var grant *Grant
	if hash := ex.hashed(key); hash != nil {
		grant = s.grants.Grant(hash)
	}
	switch {
	case grant == nil && !wellFormedKey(key):
		return s.denied("credential_invalid", "The API key is not complete or mistyped. Copy it again as it was shown.")
	case grant == nil:
		return s.denied("credential_invalid", "The API key is not known here. It may have been revoked, or belong to another environment. Create a new one in the portal.")
	case grant.ExpiresAt != 0 && ex.Now.Unix() >= grant.ExpiresAt:
		return s.denied("credential_expired", "The API key has expired. Create a new one in the portal.")
	}
	if err := grant.restricted(ex); err != nil {
		return err
	}
	ex.Caller.Grant, ex.Caller.By = grant, entry.PolicyKey
	if grant.note(ex.Now.Unix(), ex.Client) {
		s.grants.Saw(grant)
	}
	return nil
}

func (s *keyStep) denied(code, detail string) error {
	return &Denied{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenges: []string{keyChallenge(s.config)}}
}

// stripStep removes keys on a route that asks for none of them, without asking
// whose they are.
type stripStep struct {
	key    *keyStep
	public bool
}

// Run implements Step.
func (s stripStep) Run(_ context.Context, ex *Exchange) error {
	s.key.take(ex)
	return nil
}

// take reads and removes every key. It returns one of them and how many
// different ones there were.
func (s *keyStep) take(ex *Exchange) (key string, count int) {
	found := func(value string) {
		switch {
		case count == 0:
			key, count = value, 1
		case value != key:
			count++
		}
	}
	drop := false
	for _, f := range ex.Header.Fields() {
		if s.config.Header != "" && FoldEqual(f.Name, s.config.Header) {
			found(f.Value)
			drop = true
		} else if s.config.Bearer && FoldEqual(f.Name, "Authorization") {
			if token, ok := s.bearer(f.Value); ok {
				found(token)
				drop = true
			}
		}
	}
	if drop {
		ex.Header.DelFunc(func(f Field) bool {
			if s.config.Header != "" && FoldEqual(f.Name, s.config.Header) {
				return true
			}
			if s.config.Bearer && FoldEqual(f.Name, "Authorization") {
				_, ok := s.bearer(f.Value)
				return ok
			}
			return false
		})
	}
	if s.config.Query != "" && ex.Query != "" {
		takeQuery(ex, s.config.Query, found)
	}
	return key, count
}

// bearer reads a key from Authorization. What has a dot is a token's, where both
// may stand there.
func (s *keyStep) bearer(value string) (key string, ok bool) {
	key, ok = bearer(value)
	return key, ok && !(s.shared && strings.IndexByte(key, '.') >= 0)
}

func bearer(value string) (token string, ok bool) {
	return credentials(value, "bearer")
}

// credentials reads what follows a scheme in Authorization. Nothing may: who names
// the scheme alone has meant to identify, and is not let through as nobody.
func credentials(value, scheme string) (text string, ok bool) {
	n := len(scheme)
	if len(value) < n || !FoldEqual(value[:n], scheme) || len(value) > n && value[n] != ' ' && value[n] != '\t' {
		return "", false
	}
	return strings.Trim(value[n:], " \t"), true
}

// takeQuery removes a parameter, however its name is encoded, and leaves the
// rest of the query byte for byte.
func takeQuery(ex *Exchange, name string, found func(string)) {
	if _, count := QueryValue(ex.Query, name); count == 0 {
		return
	}
	grown := ex.Scratch()
	for rest := ex.Query; rest != ""; {
		pair := rest
		if i := strings.IndexByte(rest, '&'); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		k, v, _ := strings.Cut(pair, "=")
		if QueryEqual(k, name) {
			found(v)
			continue
		}
		if len(grown) > len(ex.Scratch()) {
			grown = append(grown, '&')
		}
		grown = append(grown, pair...)
	}
	ex.Query = ex.Keep(grown)
}

// The parts of a key: {prefix}_{id}_{secret}_{crc}.
const (
	maxKeyBytes    = 160
	keyIDBytes     = 12
	keySecretBytes = 43
	keySumBytes    = 6
)

// shapedLikeKey reports whether a text is parted as a key is. Most else that stands
// where keys do, such as a token, is not. No field can hold what other credentials are
// hashed from, which has a line feed.
func shapedLikeKey(key string) bool {
	sum := len(key) - keySumBytes
	secret := sum - 1 - keySecretBytes
	id := secret - 1 - keyIDBytes
	return id >= 2 && len(key) <= maxKeyBytes && key[sum-1] == '_' && key[secret-1] == '_' && key[id-1] == '_'
}

// wellFormedKey checks form and checksum: what nobody knows and is not well-formed
// was mistyped. What somebody knows is, and is not asked.
func wellFormedKey(key string) bool {
	if !shapedLikeKey(key) {
		return false
	}
	body := key[:len(key)-keySumBytes-1]
	secret := len(body) - keySecretBytes
	sum, ok := base62(key[len(body)+1:])
	return ok && isBase62(body[secret:]) && isBase62(body[secret-1-keyIDBytes:secret-1]) && uint64(crc32.ChecksumIEEE(bytesOf(body))) == sum
}

func isBase62(s string) bool {
	for i := range len(s) {
		if digit62(s[i]) < 0 {
			return false
		}
	}
	return true
}

func base62(s string) (n uint64, ok bool) {
	if len(s) != keySumBytes {
		return 0, false
	}
	for i := range len(s) {
		d := digit62(s[i])
		if d < 0 {
			return 0, false
		}
		n = n*62 + uint64(d)
	}
	return n, true
}

func digit62(c byte) int { return int(digits62[c]) - 1 }

// digits62 has each digit's value and one; 0 for what is no digit.
var digits62 = func() (t [256]uint8) {
	for i, c := range []byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		t[c] = uint8(i + 1)
	}
	return t
}()

// bytesOf reads a string as bytes without copying it. Nobody may write to them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
