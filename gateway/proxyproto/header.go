package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	first     = len(signature) // no header of either version is shorter
	maxLine   = 107            // of version 1, with its end
	maxBody   = 1024           // of version 2, after its 16 bytes: addresses and extensions
)

var errNone = errors.New("proxy protocol: the connection does not begin with a header")

// read reads a header. remote is not valid where the proxy speaks for itself or
// for somebody without an internet address. ahead is what was read when it is
// no header, which is an error where one is required.
func read(r io.Reader, required bool) (remote netip.AddrPort, ahead []byte, err error) {
	var b [maxLine]byte
	n := 0
	for n < first {
		m, err := r.Read(b[n:first])
		n += m
		if v := b[:n]; !bytes.HasPrefix([]byte(signature), v) && !bytes.HasPrefix(v[:min(n, 6)], []byte("PROXY ")[:min(n, 6)]) {
			if required {
				return remote, nil, errNone
			}
			return remote, append([]byte(nil), v...), nil
		}
		if err != nil {
			return remote, nil, fmt.Errorf("proxy protocol: %w", err)
		}
	}
	if string(b[:first]) == signature {
		remote, err = version2(r)
		return remote, nil, err
	}
	for n < maxLine && b[n-1] != '\n' {
		if _, err := io.ReadFull(r, b[n:n+1]); err != nil { // byte by byte: what follows is not ours
			return remote, nil, fmt.Errorf("proxy protocol: %w", err)
		}
		n++
	}
	remote, err = version1(string(b[:n]))
	return remote, nil, err
}

// version1 reads a whole line.
func version1(line string) (remote netip.AddrPort, err error) {
	text, ended := strings.CutSuffix(line, "\r\n")
	if !ended || strings.ContainsAny(text, "\r\n") {
		return remote, errors.New("proxy protocol: the line does not end within 107 bytes with CR LF")
	}
	if text == "PROXY UNKNOWN" || strings.HasPrefix(text, "PROXY UNKNOWN ") {
		return remote, nil
	}
	part := strings.Split(text, " ")
	if len(part) != 6 || part[1] != "TCP4" && part[1] != "TCP6" {
		return remote, errors.New("proxy protocol: the line is not PROXY, TCP4 or TCP6, two addresses and two ports")
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		address, err := netip.ParseAddr(part[2+i])
		if err != nil || address.Zone() != "" || address.Is4() != (part[1] == "TCP4") {
			return remote, fmt.Errorf("proxy protocol: %q is no address of %s", part[2+i], part[1])
		}
		port, err := strconv.ParseUint(part[4+i], 10, 16)
		if err != nil || strconv.FormatUint(port, 10) != part[4+i] {
			return remote, fmt.Errorf("proxy protocol: %q is no port", part[4+i])
		}
		ends[i] = netip.AddrPortFrom(address.Unmap(), uint16(port))
	}
	return ends[0], nil
}

// version2 reads what follows the signature.
func version2(r io.Reader) (remote netip.AddrPort, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return remote, fmt.Errorf("proxy protocol: %w", err)
	}
	command, family, length := head[0], head[1], int(binary.BigEndian.Uint16(head[2:]))
	if command != 0x20 && command != 0x21 {
		return remote, fmt.Errorf("proxy protocol: version and command %#x are not known", command)
	}
	if length > maxBody {
		return remote, fmt.Errorf("proxy protocol: the header has %d bytes, the most is %d", length, maxBody)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return remote, fmt.Errorf("proxy protocol: %w", err)
	}
	if command == 0x20 { // LOCAL: the proxy itself, such as a health check
		return remote, nil
	}
	size := 0 // of an address
	switch family {
	case 0x11: // TCP over IPv4
		size = 4
	case 0x21: // TCP over IPv6
		size = 16
	case 0x00: // not said
		return remote, nil
	default:
		return remote, fmt.Errorf("proxy protocol: family %#x is not TCP over IP", family)
	}
	if length < 2*size+4 {
		return remote, errors.New("proxy protocol: the header is too short for its addresses")
	}
	if err := extensions(body[2*size+4:]); err != nil {
		return remote, err
	}
	address, _ := netip.AddrFromSlice(body[:size])
	return netip.AddrPortFrom(address.Unmap(), binary.BigEndian.Uint16(body[2*size:])), nil
}

// extensions skips type, length and value, each whole.
func extensions(b []byte) error {
	for len(b) > 0 {
		if len(b) < 3 || len(b)-3 < int(binary.BigEndian.Uint16(b[1:])) {
			return errors.New("proxy protocol: an extension is longer than the header")
		}
		b = b[3+int(binary.BigEndian.Uint16(b[1:])):]
	}
	return nil
}
