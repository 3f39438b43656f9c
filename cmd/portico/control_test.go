package main

import (
	"testing"

	"portico/internal/apim"
)

func TestNodeIsNamedAfterTheHostOnce(t *testing.T) {
	for host, want := range map[string]string{
		"gw-1": "gw-1", "Anna's MacBook.local": "anna-s-macbook", "ip-10-0-0-1.ec2.internal": "ip-10-0-0-1",
		"": "gateway-1", "...": "gateway-1", "\u6771\u4eac": "gateway-1", "API": "api-1", "4f0c1d2e": "4f0c1d2e",
	} {
		got := nodeName(host, nil)
		if got != want || apim.CheckSlug(got) != nil {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	if got := nodeName("another-container", []apim.Node{{Name: "gw-1"}}); got != "gw-1" {
		t.Errorf("after the host was renamed: got %q, want gw-1", got)
	}
}
