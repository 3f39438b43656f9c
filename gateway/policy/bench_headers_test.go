package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func BenchmarkHeaders(b *testing.B) {
	benchPasses(b, &entry.HeadersPolicy{
		Set:    []entry.NamedValue{{Name: "X-Client", Value: "${client.address}"}, {Name: "X-Via", Value: "portico"}},
		Remove: []string{"Cookie"},
	}, nil)
}

func BenchmarkAnswerHeaders(b *testing.B) {
	benchPasses(b, &entry.AnswerHeadersPolicy{Set: []entry.NamedValue{{Name: "X-Via", Value: "portico"}}, Remove: []string{"Server", "X-Powered-By"}}, nil)
}
