package token

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// MaxAnswerBytes is how long an issuer's answer about a token may be.
const MaxAnswerBytes = 16 << 10

// Introspected reads what an issuer says of a token that it was asked about (RFC
// 7662), and checks it. A *Refusal is about the token; any other error says that
// the answer is none.
//
// The members of such an answer may all be missing but active. What is there has
// to be as it should be; exp is held against the clock whatever active says.
func (r *Rules) Introspected(answer []byte, now time.Time) (*Claims, error) {
	if len(answer) > MaxAnswerBytes {
		return nil, errors.New("the answer is too long")
	}
	c, err := readObject(answer)
	if err != nil {
		return nil, errors.New("the answer " + err.Error())
	}
	active, isBool := c.values["active"].(bool)
	switch {
	case !isBool:
		return nil, errors.New("the answer does not say whether the token is active")
	case !active:
		return nil, refused("The token's issuer says that it is not active: it has expired, was revoked, or was never of this issuer. Get a new one.")
	}
	if kind := otherKind(c); kind != "" {
		return nil, refused("The token is a %q and not taken as an access token. Send the access token alone.", clipped(kind))
	}
	if issuer, has := c.values["iss"]; has && issuer != r.Issuer {
		return nil, refused("The token is of another issuer than %s, whose tokens this API takes.", r.Issuer)
	}
	return c, r.validate(c, now)
}

// otherKind returns what a token is that is no access token, as far as its issuer
// tells: in token_type or, where products say it elsewhere, in token_use and typ.
// "" is an access token, or one of which nothing is told.
func otherKind(c *Claims) string {
	for name, good := range map[string][]string{
		"token_type": {"bearer", "access_token"},
		"token_use":  {"access", "access_token"},
		"typ":        {"bearer", "jwt", "at+jwt", "access"},
	} {
		v, has := c.values[name]
		text, isText := v.(string)
		if has && v != nil && !(isText && slices.Contains(good, strings.ToLower(text))) {
			if text == "" {
				text = name
			}
			return text
		}
	}
	return ""
}
