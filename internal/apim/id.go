package apim

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// ID names an object for good: a prefix that says what it is, an underscore
// and a UUIDv7 (RFC 9562) as 32 lower-case hexadecimal digits. It is the same
// text in the database, the API and the pages. IDs of one kind sort by the
// time they were made. The zero value names nothing.
type ID string

// The prefixes of IDs.
const (
	PrefixTenant       = "ten"
	PrefixPerson       = "per"
	PrefixTeam         = "team"
	PrefixEnvironment  = "env"
	PrefixNode         = "node"
	PrefixEnrolment    = "enr"
	PrefixCertificate  = "cert"
	PrefixImport       = "imp"
	PrefixDocument     = "doc"
	PrefixAPI          = "api"
	PrefixVersion      = "ver"
	PrefixRevision     = "rev"
	PrefixProduct      = "prod"
	PrefixPlan         = "plan"
	PrefixApplication  = "app"
	PrefixSubscription = "sub"
	PrefixCredential   = "cred"
	PrefixSecret       = "sec"
	PrefixToken        = "tok"
	PrefixAudit        = "aud"
	PrefixEvent        = "evt"
	PrefixInvitation   = "inv"
	PrefixSession      = "ses"
)

// NewID mints an ID. It uses crypto/rand and never fails (the program ends if
// the system has no randomness). The twelve bits after the milliseconds hold
// their fraction (RFC 9562, section 6.2, method 3), so that what one use case
// makes after another sorts after it.
func NewID(prefix string, now time.Time) ID {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never returns an error since Go 1.24
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	binary.BigEndian.PutUint16(b[6:], uint16(now.Nanosecond()%1_000_000*4096/1_000_000))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return ID(prefix + "_" + hex.EncodeToString(b[:]))
}

// ParseID checks that s is an ID with this prefix. What is not is NotFound:
// nothing can have that name.
func ParseID(prefix, s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(rest) != 32 || strings.ToLower(rest) != rest {
		return "", Errorf(NotFound, "%q is not the id of a %s", s, prefixNoun(prefix))
	}
	if _, err := hex.DecodeString(rest); err != nil {
		return "", Errorf(NotFound, "%q is not the id of a %s", s, prefixNoun(prefix))
	}
	return ID(s), nil
}

// UUID returns the 32 hexadecimal digits alone, as entries use them.
func (id ID) UUID() string {
	_, uuid, _ := strings.Cut(string(id), "_")
	return uuid
}

func prefixNoun(prefix string) string {
	nouns := map[string]string{
		PrefixTenant: "tenant", PrefixPerson: "person", PrefixTeam: "team", PrefixEnvironment: "environment",
		PrefixNode: "gateway node", PrefixEnrolment: "enrolment", PrefixImport: "staged import", PrefixDocument: "document", PrefixAPI: "API",
		PrefixVersion: "version", PrefixRevision: "revision", PrefixProduct: "product", PrefixPlan: "plan",
		PrefixApplication: "application", PrefixSubscription: "subscription", PrefixCredential: "credential",
		PrefixSecret: "secret", PrefixToken: "API token", PrefixAudit: "audit record", PrefixEvent: "event",
		PrefixInvitation: "invitation", PrefixSession: "session",
	}
	return nouns[prefix]
}
