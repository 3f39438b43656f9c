package policy_test

import (
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkUpstreamSigV4(b *testing.B) {
	for name, body := range map[string]string{"no body": "", "1 KiB": strings.Repeat("x", 1<<10)} {
		b.Run(name, func(b *testing.B) {
			benchProves(b, policy.Tools{}, &entry.UpstreamSigV4{
				AccessKeyID: entry.Secret{Opened: "AKIDEXAMPLE"}, SecretAccessKey: entry.Secret{Opened: "secret"}, Region: "eu-central-1", Service: "execute-api",
			}, body)
		})
	}
}
