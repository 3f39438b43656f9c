package manager

import (
	"errors"
	"net/url"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// absoluteURL says why s is no address of ours that people can open.
func absoluteURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("use an address that begins with http:// or https://")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("leave credentials, query and fragment out of the address")
	}
	return nil
}

// targetURL says why s cannot be an upstream's address.
func targetURL(s string) error { return check.TargetURL(s) }

// protocol and protocolFits say what is wrong with how an upstream is called.
func protocol(s string) error { return check.Protocol(s) }

func protocolFits(protocol, target string) error { return check.ProtocolFits(protocol, target) }

// checkMount says why a mount is malformed.
func checkMount(m apim.Mount) error {
	if err := check.BasePath(m.BasePath); err != nil {
		return err
	}
	if err := check.Selector(entry.Selector(m.Select)); err != nil {
		return err
	}
	if m.Host == "" {
		return nil
	}
	return check.Host(m.Host)
}
