package stand

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// serveReverse is the standard library's reverse proxy as it comes, in front of
// args[0]: plain and over TLS with the certificate in args[1] and its key in args[2].
func serveReverse(args []string) (string, error) {
	if len(args) != 3 {
		return "", fmt.Errorf("want an address, a certificate and a key, not %q", args)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: args[0]})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	serve := func() *http.Server {
		return &http.Server{Handler: proxy, Protocols: protocols, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ErrorLog: proxy.ErrorLog}
	}
	go func() { _ = serve().Serve(plain) }() // until this process ends
	go func() { _ = serve().ServeTLS(secure, args[1], args[2]) }()
	return plain.Addr().String() + " " + secure.Addr().String(), nil
}
