package console

import (
	"portico/internal/apim"
	"portico/ui"
)

// tlsNames are the form's fields of an upstream's TLS.
func tlsNames() []string {
	return []string{"tls.server_name", "tls.roots", "tls.certificate", "tls.key", "tls.unverified"}
}

// tlsRenames adds what a draft's check, and the gateway's, call them.
func tlsRenames(names map[string]string) map[string]string {
	for _, name := range tlsNames() {
		names["upstream_"+name] = name
		names["upstreams."+name] = name
	}
	return names
}

// fillTLS writes what is set.
func (f *form) fillTLS(t apim.UpstreamTLS) {
	f.values.Set("tls.server_name", t.ServerName)
	f.values.Set("tls.roots", t.Roots)
	f.values.Set("tls.certificate", t.Certificate)
	f.values.Set("tls.key", t.Key)
	if t.Unverified {
		f.values.Set("tls.unverified", "on")
	}
}

// tls reads what fillTLS writes.
func (f form) tls() apim.UpstreamTLS {
	pem := func(name string) string {
		if text := f.text(name); text != "" && text[0] != '$' {
			return text + "\n"
		}
		return f.text(name)
	}
	return apim.UpstreamTLS{
		ServerName: f.text("tls.server_name"), Roots: pem("tls.roots"), Certificate: pem("tls.certificate"), Key: f.text("tls.key"), Unverified: f.checked("tls.unverified"),
	}
}

// upstreamTLSFold is open where something is set or wrong.
func upstreamTLSFold(f form) ui.FoldView {
	v := ui.FoldView{Title: "TLS"}
	for _, name := range tlsNames() {
		v.Open = v.Open || f.value(name) != "" || f.err(name) != ""
	}
	return v
}
