package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"portico/internal/entry"
)

// Names of AWS: of a region, of a service, of a header that may go out.
var (
	awsName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	amzHeader = regexp.MustCompile(`^x-amz-[a-z0-9-]{1,100}$`)
)

// ownAmzHeaders are those that a signature brings itself.
const ownAmzHeaders = " x-amz-date x-amz-content-sha256 x-amz-security-token "

const maxAmzHeaders = 50

func (p *problems) upstreamSigV4(at string, c entry.UpstreamSigV4) {
	p.secret(at+".access_key_id", c.AccessKeyID, true)
	p.secret(at+".secret_access_key", c.SecretAccessKey, true)
	p.secret(at+".session_token", c.SessionToken, false)
	if !awsName.MatchString(c.Region) {
		p.add(at+".region", "want the name of a region, such as eu-central-1, got %q", c.Region)
	}
	if !awsName.MatchString(c.Service) {
		p.add(at+".service", "want the name of a service in lower case, such as execute-api, got %q", c.Service)
	}
	p.oneOf(at+".body", c.Body, "signed", "unsigned")
	if c.MaxBodyBytes != 0 {
		p.between(at+".max_body_bytes", c.MaxBodyBytes, 1, entry.SigV4MostBodyBytes)
		if c.Body == "unsigned" {
			p.add(at+".max_body_bytes", "bounds bodies that are signed, and these are not")
		}
	}
	if len(c.Headers) > maxAmzHeaders {
		p.add(at+".headers", "want at most %d, got %d", maxAmzHeaders, len(c.Headers))
	}
	for i, h := range c.Headers {
		field, name := fmt.Sprintf("%s.headers[%d]", at, i), strings.ToLower(h)
		switch {
		case !amzHeader.MatchString(name):
			p.add(field, "want the name of a header that begins with X-Amz-, got %q", h)
		case strings.Contains(ownAmzHeaders, " "+name+" "):
			p.add(field, "is the signature's own to send")
		case slices.ContainsFunc(c.Headers[:i], func(other string) bool { return strings.EqualFold(other, h) }):
			p.add(field, "%q stands there twice", h)
		}
	}
}
