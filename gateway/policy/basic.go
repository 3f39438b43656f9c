package policy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"portico/internal/entry"
)

// basicStep identifies the caller by a user name and a password.
type basicStep struct {
	encoding  *base64.Encoding
	challenge string
	grants    Grants
	among
}

// maxBasicBytes bounds a user name and a password together.
const maxBasicBytes = 1024

// basicPrefix is what a user name and password are hashed behind.
const basicPrefix = "basic\n"

func newBasicStep(config entry.BasicPolicy, grants Grants, among among) *basicStep {
	return &basicStep{base64.StdEncoding.Strict(), basicChallenge(config), grants, among}
}

func basicChallenge(config entry.BasicPolicy) string {
	return `Basic realm="` + orText(config.Realm, "portico") + `", charset="UTF-8"`
}

// Run implements Step.
func (s *basicStep) Run(_ context.Context, ex *Exchange) error {
	text, count := s.take(ex)
	switch {
	case ex.Caller.By != "": // by a policy before this one
		return nil
	case count == 0:
		return s.missing()
	case count > 1:
		return s.denied("credential_invalid", "The request carries several different user names and passwords. Send one only.")
	case !s.hash(text, &ex.keyHash):
		return s.denied("credential_invalid", "Authorization does not hold a user name and a password as RFC 7617 writes them: the base64 of user:password.")
	}
	grant := s.grants.Grant(&ex.keyHash)
	if grant == nil {
		return s.denied("credential_invalid", "The user name or the password is not known here. It may have been revoked, or belong to another environment.")
	}
	if grant.over(ex) {
		return s.denied("credential_expired", "The user name and password have expired. Create new ones in the portal.")
	}
	return enter(ex, s.grants, grant, entry.PolicyBasic)
}

// hash computes what a user name and a password are registered by.
func (s *basicStep) hash(text string, sum *[32]byte) bool {
	const groups = (maxBasicBytes + 2) / 3 // of four characters for three bytes
	if len(text) > 4*groups {
		return false
	}
	var buffer [len(basicPrefix) + 3*groups]byte
	n := copy(buffer[:], basicPrefix)
	decoded, err := s.encoding.Decode(buffer[n:], bytesOf(text))
	if err != nil || decoded > maxBasicBytes {
		return false
	}
	colon := 0
	for i, c := range buffer[n : n+decoded] {
		switch {
		case c < ' ' || c == 0x7f:
			return false
		case c == ':' && colon == 0:
			if i == 0 {
				return false
			}
			colon = n + i
		}
	}
	if colon == 0 {
		return false
	}
	buffer[colon] = '\n'
	*sum = sha256.Sum256(buffer[:n+decoded])
	return true
}

func (s *basicStep) denied(code, detail string) error {
	return &Denied{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenges: []string{s.challenge}}
}

// take reads and removes every user name and password. It returns one of them
// and how many different ones there were.
func (s *basicStep) take(ex *Exchange) (text string, count int) {
	for _, f := range ex.Header.Fields() {
		value, ok := basicCredentials(f)
		switch {
		case !ok:
			continue
		case count == 0:
			text, count = value, 1
		case value != text:
			count++
		}
	}
	if count > 0 {
		ex.Header.DelFunc(func(f Field) bool {
			_, ok := basicCredentials(f)
			return ok
		})
	}
	return text, count
}

// basicCredentials reads what follows the scheme.
func basicCredentials(f Field) (text string, ok bool) {
	if !FoldEqual(f.Name, "Authorization") {
		return "", false
	}
	return credentials(f.Value, "basic")
}

func (s *basicStep) strip(ex *Exchange) { s.take(ex) }

func (s *basicStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By == "":
		return "a user name and a password are read from Authorization: Basic"
	case ex.Caller.By != entry.PolicyBasic:
		return "the caller was identified before; user names and passwords are taken away before the upstream"
	}
	return "the user name and password are known and valid"
}
