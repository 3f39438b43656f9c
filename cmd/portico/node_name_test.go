package main

import (
	"testing"

	"portico/internal/apim"
)

// Hosts are called as people and clouds like it; serve must start on each.
func TestNodeHasANameWhateverItsHostIsCalled(t *testing.T) {
	for host, want := range map[string]string{
		"web-1": "web-1", "ip-10-0-0-1.eu-west-1.compute.internal": "", "Adas-MacBook-Pro.local": "", "HOST_7": "", "": "gateway-1", "日本": "gateway-1",
		"api": "", "a-very-long-name-of-a-machine-that-nobody-should-give-but-somebody-did.example": "",
	} {
		got := nodeName(host, nil)
		if err := apim.CheckSlug(got); err != nil || want != "" && got != want {
			t.Errorf("%q: got %q (%v), want %q", host, got, err, want)
		}
	}
}
