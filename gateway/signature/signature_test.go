package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"portico/gateway/signature"
)

// The signature of RFC 9421, appendix B.2.5, and its shared secret of B.1.5.
const (
	rfcInput  = `sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`
	rfcValue  = `sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:`
	rfcSecret = `uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==`
	rfcBase   = `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`
)

func rfcComponent(dst []byte, name string) ([]byte, bool) {
	value, ok := map[string]string{"date": "Tue, 20 Apr 2021 02:07:55 GMT", "@authority": "example.com", "content-type": "application/json"}[name]
	return append(dst, value...), ok
}

func TestTheSignatureOfTheRFCIsVerified(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString(rfcSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{rfcInput, strings.NewReplacer(" ", "  ", "(", "( ", ";", "; ").Replace(rfcInput)} { // one form is canonical
		s, err := signature.Parse(input, rfcValue)
		if err != nil {
			t.Fatal(input, err)
		}
		base, missing := s.Base(nil, rfcComponent)
		if string(base) != rfcBase || missing != "" {
			t.Errorf("%s: missing %q, got base\n%s", input, missing, base)
		}
		if !s.Verify(secret, base) {
			t.Errorf("%s: not verified", input)
		}
		if s.KeyID != "test-shared-secret" || s.Created != 1618884473 {
			t.Errorf("got %+v", s)
		}
		for name, c := range map[string]struct{ secret, base []byte }{
			"another secret": {append([]byte{1}, secret...), base},
			"no secret":      {nil, base},
			"another base":   {secret, append(base, ' ')},
		} {
			if s.Verify(c.secret, c.base) {
				t.Errorf("%s: verified", name)
			}
		}
	}
	s, _ := signature.Parse(rfcInput, rfcValue)
	if _, missing := s.Base(nil, func(dst []byte, _ string) ([]byte, bool) { return dst, false }); missing != "date" {
		t.Errorf("missing %q, want date", missing)
	}
}

// TestNoSecretSignsNothing has somebody sign with the empty secret.
func TestNoSecretSignsNothing(t *testing.T) {
	h := hmac.New(sha256.New, nil)
	h.Write([]byte("text"))
	if signature.Signed(nil, []byte("text"), h.Sum(nil)) {
		t.Error("taken")
	}
}

const (
	input = `a=("@method" "@path");created=1;keyid="k"`
	value = `a=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:`
)

func TestSignaturesThatAreNotWholeAreRefused(t *testing.T) {
	if s, err := signature.Parse(input+`;nonce="n\"\\";expires=2;alg="hmac-sha256";tag="x";other`, value); err != nil || s.Nonce != `n"\` || s.Expires != 2 {
		t.Fatal(s, err)
	}
	for name, c := range map[string][2]string{
		"nothing":                  {"", ""},
		"no signature":             {input, ""},
		"another label":            {input, strings.Replace(value, "a=", "b=", 1)},
		"two signatures":           {input, value + ", b=:AAAA:"},
		"two inputs":               {input + `, b=("@method");created=1;keyid="k"`, value},
		"no keyid":                 {`a=("@method");created=1`, value},
		"empty keyid":              {`a=("@method");created=1;keyid=""`, value},
		"keyid is a number":        {`a=("@method");created=1;keyid=7`, value},
		"keyid is true":            {`a=("@method");created=1;keyid`, value},
		"keyid twice":              {input + `;keyid="other"`, value},
		"no created":               {`a=("@method");keyid="k"`, value},
		"created is a text":        {`a=("@method");created="1";keyid="k"`, value},
		"created is negative":      {`a=("@method");created=-1;keyid="k"`, value},
		"created is a fraction":    {`a=("@method");created=1.5;keyid="k"`, value},
		"created has zeros":        {`a=("@method");created=01;keyid="k"`, value},
		"created is too large":     {`a=("@method");created=9999999999999999;keyid="k"`, value},
		"expires is 0":             {input + `;expires=0`, value},
		"no algorithm":             {input + `;alg="none"`, value},
		"another algorithm":        {input + `;alg="rsa-v1_5-sha256"`, value},
		"algorithm by case":        {input + `;alg="HMAC-SHA256"`, value},
		"empty algorithm":          {input + `;alg=""`, value},
		"a component twice":        {`a=("@method" "@method");created=1;keyid="k"`, value},
		"a component's parameter":  {`a=("@method";req);created=1;keyid="k"`, value},
		"upper case":               {`a=("Date");created=1;keyid="k"`, value},
		"a token":                  {`a=(date);created=1;keyid="k"`, value},
		"no space":                 {`a=("date""@method");created=1;keyid="k"`, value},
		"an injected line":         {"a=(\"date\\\n\");created=1;keyid=\"k\"", value},
		"an injected component":    {`a=("date\": x");created=1;keyid="k"`, value},
		"a list that does not end": {`a=("date"`, value},
		"a text that does not end": {`a=("date`, value},
		"too many components":      {`a=(` + strings.Repeat(`"x" `, 33) + `);created=1;keyid="k"`, value},
		"too many parameters":      {input + strings.Repeat(`;x`, 20), value},
		"too long":                 {input + `;x="` + strings.Repeat("x", 5000) + `"`, value},
		"a long text":              {input + `;x="` + strings.Repeat("x", 600) + `"`, value},
		"a long signature":         {input, "a=:" + strings.Repeat("A", 5000) + ":"},
		"a short signature":        {input, "a=:AAAA:"},
		"an empty signature":       {input, "a=::"},
		"no base64":                {input, strings.Replace(value, "AAAA", "A_A-", 1)},
		"base64 of two forms":      {input, strings.Replace(value, "A=:", "B=:", 1)},
		"a parameter behind":       {input, value + ";x"},
	} {
		if s, err := signature.Parse(c[0], c[1]); err == nil {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

func TestDigestsAreOfTheBody(t *testing.T) {
	const body = `{"hello": "world"}` // of RFC 9530 and RFC 9421
	const s256, s512 = `sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:`, `sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:`
	for field, good := range map[string]bool{
		s256: true, s512: true, s256 + ", " + s512: true, "md5=:AAAA:, " + s256: true,
		"": false, "md5=:AAAA:": false, "sha-256": false, "sha-256=X48E": false, "SHA-256" + s256[7:]: false,
		s256 + ", sha-512=:AAAA:": false, "sha-256=::": false,
		strings.Repeat(s256+", ", 20) + s256: false,
	} {
		if err := signature.Digests(field, []byte(body)); (err == nil) != good {
			t.Errorf("%.100s: got %v, want good %v", field, err, good)
		}
		if err := signature.Digests(field, []byte(body+" ")); err == nil {
			t.Errorf("%.100s: taken for another body", field)
		}
	}
}

func TestANonceIsTakenOnceInItsTime(t *testing.T) {
	r := signature.NewReplays(1 << 12)
	mine, other := [16]byte{1}, [16]byte{2}
	for _, c := range []struct {
		credential [16]byte
		key, nonce string
		now        int64
		want       signature.Outcome
	}{
		{mine, "k", "a", 100, signature.Fresh},
		{mine, "k", "a", 100, signature.Replayed},
		{mine, "k", "a", 110, signature.Replayed}, // its last second
		{mine, "k", "b", 110, signature.Fresh},
		{other, "j", "a", 110, signature.Fresh},
		{mine, "k", "a", 111, signature.Fresh},
		{mine, "k", "a", 90, signature.Replayed}, // the clock was set back
	} {
		if got := r.Take([16]byte{9}, c.credential, c.key, c.nonce, c.now, c.now+10); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// TestNoncesAreBoundedAndShared has one credential send more than fits.
func TestNoncesAreBoundedAndShared(t *testing.T) {
	const places = 64 * 16
	r := signature.NewReplays(places)
	owner, greedy, other := [16]byte{9}, [16]byte{1}, [16]byte{2}
	nonce := func(i int) string { return strings.Repeat("x", i) }
	taken := 0
	for i := range 2 * places {
		if r.Take(owner, greedy, "k", nonce(i), 100, 200) == signature.Fresh {
			taken++
		} else if got := r.Take(owner, greedy, "k", nonce(i), 100, 200); got != signature.Full {
			t.Fatalf("one that did not fit: got %v", got)
		}
	}
	if taken == 0 || taken > places/8 {
		t.Errorf("one credential has %d of %d places, want an eighth at most", taken, places)
	}
	if got := r.Take(owner, other, "j", "x", 100, 200); got != signature.Fresh {
		t.Errorf("another credential: got %v", got)
	}
	fresh := 0
	for i := range 64 {
		if r.Take(owner, greedy, "k", "later"+nonce(i), 201, 300) == signature.Fresh {
			fresh++
		}
	}
	if fresh < 32 {
		t.Errorf("when all is over: %d of 64 fit", fresh)
	}
}

// TestNoncesOfOneOwnerLeaveRoomForOthers has an owner with as many credentials as
// it likes send more than fits.
func TestNoncesOfOneOwnerLeaveRoomForOthers(t *testing.T) {
	const places = 64 * 16
	r := signature.NewReplays(places)
	greedy, other := [16]byte{1}, [16]byte{2}
	taken := 0
	for i := range 4 * places {
		if r.Take(greedy, [16]byte{byte(i), byte(i >> 8)}, "k", fmt.Sprint(i), 100, 200) == signature.Fresh {
			taken++
		}
	}
	if taken < places/8 || taken > places/4 {
		t.Errorf("one owner has %d of %d places, want a quarter at most", taken, places)
	}
	fresh := 0
	for i := range 64 {
		if r.Take(other, [16]byte{3}, "j", fmt.Sprint(i), 100, 200) == signature.Fresh {
			fresh++
		}
	}
	if fresh < 48 {
		t.Errorf("of another owner's first 64 nonces %d were taken", fresh)
	}
}

// TestNoncesThatAreOverKeepNobodyOut has an owner come back whose own are long over,
// after others have taken what it left.
func TestNoncesThatAreOverKeepNobodyOut(t *testing.T) {
	const places = 64 * 16
	r := signature.NewReplays(places)
	first, second := [16]byte{1}, [16]byte{2}
	takes := func(owner [16]byte, name string, many int, now int64) (taken int) {
		for i := range many {
			if r.Take(owner, [16]byte{owner[0], byte(i), byte(i >> 8)}, name, fmt.Sprint(i), now, now+10) == signature.Fresh {
				taken++
			}
		}
		return taken
	}
	takes(first, "a", 4*places, 100)
	takes(second, "b", places/16, 101)
	if got := takes(first, "c", 1, 105); got != 0 {
		t.Fatal("the owner holds less than it may")
	}
	if got := takes(first, "d", 64, 1000); got != 64 {
		t.Errorf("of an owner's first 64 nonces after a pause %d were taken", got)
	}
	if got := takes(second, "e", places/8, 1000); got < places/16 {
		t.Errorf("of another owner's nonces after a pause %d were taken", got)
	}
	takes(first, "f", 4*places, 2000)
	if got := takes(first, "g", 64, 50); got == 64 {
		t.Error("what is not over was forgotten")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rfcInput, rfcValue)
	f.Add(input+`;nonce="n";alg="hmac-sha256"`, value)
	f.Add(`a=("date" "@method";sf);x`, "a=::")
	f.Fuzz(func(t *testing.T, in, val string) {
		s, err := signature.Parse(in, val)
		if err != nil {
			return
		}
		base, _ := s.Base(nil, func(dst []byte, _ string) ([]byte, bool) { return dst, true })
		if n := strings.Count(string(base), "\n"); n != len(s.Components) {
			t.Errorf("%q: %d lines of %d components", in, n, len(s.Components))
		}
		_, params, _ := strings.Cut(string(base), `"@signature-params": `)
		again, err := signature.Parse("a="+params, "a="+val[strings.IndexByte(val, '=')+1:])
		if err != nil || again.KeyID != s.KeyID || again.Nonce != s.Nonce || again.Created != s.Created {
			t.Errorf("%q: canonical %q is read as %+v, %v", in, params, again, err)
		}
	})
}
