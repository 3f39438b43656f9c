package token_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/gateway/token"
	"portico/internal/entry/keyset"
	"portico/test/fake"
)

func rulesOf(i *fake.Issuer) *token.Rules {
	return &token.Rules{Issuer: i.Name, Algorithms: []string{"ES256"}}
}

func claimsOf(t testing.TB, i *fake.Issuer, others map[string]any) *token.Claims {
	t.Helper()
	set, err := keyset.Parse([]byte(i.Set()))
	if err != nil {
		t.Fatal(err)
	}
	rules := rulesOf(i)
	read, err := rules.Read(i.Token(t, "ES256", others))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := rules.Verify(read, set, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestClaimsAreLookedUpByWhatTheyAre(t *testing.T) {
	c := claimsOf(t, fake.NewIssuer(t, "ES256"), map[string]any{
		"text": "a b", "list": []any{"a", 1, "b"}, "one": []any{"a"}, "level": 3, "ratio": 0.5, "deep": map[string]any{"x": true},
	})
	for got, want := range map[string]string{
		c.Text("text"): "a b", c.Text("one"): "a", c.Text("list") + c.Text("level") + c.Text("nothing"): "",
		fmt.Sprint(c.Texts("list")): "[a b]", fmt.Sprint(c.Words("text")): "[a b]", fmt.Sprint(c.Texts("text"), len(c.Texts("text"))): "[a b] 1",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for name, want := range map[string]string{"level": "int 3", "ratio": "float64 0.5", "deep": "map[string]interface {} map[x:true]"} {
		if v, ok := c.Value(name); !ok || fmt.Sprintf("%T %v", v, v) != want {
			t.Errorf("%s: got %T %v", name, v, v)
		}
	}
	none := (*token.Claims)(nil)
	if _, ok := none.Value("x"); ok || none.Text("x") != "" || none.Texts("x") != nil || none.Words("x") != nil || none.Map() != nil {
		t.Error("no claims say something")
	}
}

// TestATokenNeedNotNameItsKey has an issuer with more and more keys.
func TestATokenNeedNotNameItsKey(t *testing.T) {
	i := fake.NewIssuer(t, "ES256", "ES384")
	rules := rulesOf(i)
	verify := func(head map[string]any, key string) error {
		set, err := keyset.Parse([]byte(i.Set()))
		if err != nil {
			t.Fatal(err)
		}
		read, err := rules.Read(i.Sign(t, "ES256", head, key, i.Claims(nil)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = rules.Verify(read, set, time.Now())
		return err
	}
	unnamed := map[string]any{"alg": "ES256"}
	for n := 1; n <= 4; n++ {
		name := fmt.Sprint("ES256-", n)
		i.Add(t, "ES256", name)
		for _, key := range []string{"ES256-1", name} {
			if err := verify(unnamed, key); err != nil {
				t.Errorf("of %d keys, by %s: %v", n, key, err)
			}
		}
		i.Hide(name, true)
		if err := verify(unnamed, name); !errors.Is(err, token.ErrNoKey) {
			t.Errorf("of %d keys, by one that is not published: %v", n, err)
		}
		i.Hide(name, false)
	}
	i.Add(t, "ES256", "ES256-5")
	refusal := (*token.Refusal)(nil)
	if err := verify(unnamed, "ES256-1"); !errors.As(err, &refusal) || !strings.Contains(refusal.Detail, "names no key") {
		t.Errorf("of five keys: got %v", err)
	}
	if err := verify(map[string]any{"alg": "ES256", "kid": "ES256-5"}, "ES256-5"); err != nil {
		t.Errorf("of five keys, by name: %v", err)
	}
}

func TestManyKeysOfOneNameAreNotAllTried(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	one := strings.TrimSuffix(strings.TrimPrefix(i.Set(), `{"keys":[`), "]}")
	for n, want := range map[int]bool{1: true, 4: true, 5: false} {
		set, err := keyset.Parse([]byte(`{"keys":[` + strings.Repeat(one+",", n-1) + one + "]}"))
		if err != nil {
			t.Fatal(err)
		}
		rules := rulesOf(i)
		read, err := rules.Read(i.Token(t, "ES256", nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rules.Verify(read, set, time.Now()); (err == nil) != want {
			t.Errorf("of %d: %v", n, err)
		}
	}
}

func TestTableKeepsWhatItHasRoomFor(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	claims := claimsOf(t, i, nil)
	table := token.NewTable(1) // one set of four
	verified := func(n uint64, until int64) *token.Verified {
		v := &token.Verified{Claims: claims, Until: until}
		binary.LittleEndian.PutUint64(v.Hash[:], n)
		return v
	}
	for n := range uint64(4) {
		table.Keep(verified(n, int64(100+n)))
	}
	table.Keep(verified(9, 200)) // in the place of the one that ends first
	for n, want := range map[uint64]bool{0: false, 1: true, 2: true, 3: true, 9: true} {
		v := verified(n, 0)
		if got := table.Find(&v.Hash, &v.Policy) != nil; got != want {
			t.Errorf("%d is kept: %v, want %v", n, got, want)
		}
	}
	other := verified(1, 0)
	other.Policy[0] = 1
	if table.Find(&other.Hash, &other.Policy) != nil {
		t.Error("a token is known under another policy")
	}
	large := verified(7, 300)
	large.Claims = claimsOf(t, i, map[string]any{"a": make([]int, 500)})
	table.Keep(large)
	if table.Find(&large.Hash, &large.Policy) != nil {
		t.Error("a token is kept that takes too much memory")
	}
	half := func(n uint64) *token.Verified { // two of them take all the memory of their set
		v := verified(n, 400)
		v.Claims = claimsOf(t, i, map[string]any{"a": make([]int, 80)})
		return v
	}
	table = token.NewTable(1)
	for n := range uint64(4) {
		table.Keep(half(n))
		known := 0
		for n := range uint64(4) {
			if v := verified(n, 0); table.Find(&v.Hash, &v.Policy) != nil {
				known++
			}
		}
		if last := half(n); known != min(int(n)+1, 2) || table.Find(&last.Hash, &last.Policy) == nil {
			t.Errorf("%d of half a set's memory are kept, and the last: %v", known, table.Find(&last.Hash, &last.Policy) != nil)
		}
	}
	table = token.NewTable(1)
	kept := verified(1, 100)
	for n := range uint64(4) {
		table.Keep(verified(n, 100))
	}
	table.Forget(&other.Hash, &other.Policy) // of another policy
	if table.Find(&kept.Hash, &kept.Policy) == nil {
		t.Error("a token is forgotten that another policy does not take")
	}
	table.Forget(&kept.Hash, &kept.Policy)
	for n := range uint64(4) {
		if v := verified(n, 0); (table.Find(&v.Hash, &v.Policy) != nil) != (n != 1) {
			t.Errorf("one of four is forgotten: %d is known: %v", n, n == 1)
		}
	}
	none := (*token.Table)(nil)
	none.Keep(large)
	none.Forget(&large.Hash, &large.Policy)
	if none.Find(&large.Hash, &large.Policy) != nil {
		t.Error("no table knows a token")
	}
}

func TestNoTenantsTokensPushOutAnothers(t *testing.T) {
	tables := token.NewTables(1 << 14)
	first, second := tables.Of([16]byte{1}), tables.Of([16]byte{2})
	mine := &token.Verified{Hash: [32]byte{9}, Until: 1}
	second.Keep(mine)
	for n := range uint64(100_000) {
		v := &token.Verified{Until: 1 << 40}
		binary.LittleEndian.PutUint64(v.Hash[:], n)
		first.Keep(v)
	}
	if tables.Of([16]byte{2}).Find(&mine.Hash, &mine.Policy) != mine || first.Find(&mine.Hash, &mine.Policy) != nil {
		t.Error("a tenant's token is gone, or known to another")
	}
	if (*token.Tables)(nil).Of([16]byte{1}) != nil {
		t.Error("there is a table of no tables")
	}
	runtime.KeepAlive(second)
}

func TestATableNobodyHoldsIsForgotten(t *testing.T) {
	tables := token.NewTables(4)
	mine := &token.Verified{Hash: [32]byte{9}}
	tables.Of([16]byte{1}).Keep(mine)
	runtime.GC()
	if tables.Of([16]byte{1}).Find(&mine.Hash, &mine.Policy) != nil {
		t.Error("it is kept")
	}
}

func FuzzToken(f *testing.F) {
	i := fake.NewIssuer(f, "ES256")
	set, err := keyset.Parse([]byte(i.Set()))
	if err != nil {
		f.Fatal(err)
	}
	good := i.Token(f, "ES256", nil)
	for _, head := range []string{`{"alg":"ES256","kid":"ES256-1"}`, `{"alg":"none"}`, `{}`, `{"alg":"ES256","typ":1}`} {
		f.Add(head, `{"iss":"https://id.example.com/","exp":99999999999,"azp":"x"}`)
		f.Add(head, fmt.Sprintf(`{"iss":%q,"exp":99999999999.5,"aud":["a"],"nbf":1e3,"iat":-0,"big":[12345678901234567890,1e2,"\ud800",{"a":null,"b":[true]}]}`, i.Name))
		f.Add(head, fmt.Sprintf(`{"iss":%q,"exp":99999999999,"exp":1}`, i.Name))
	}
	f.Fuzz(func(t *testing.T, head, claims string) {
		rules := rulesOf(i)
		// Whatever they say, with another's signature they are no token.
		text := fake.Part(t, head) + "." + fake.Part(t, claims) + good[strings.LastIndexByte(good, '.'):]
		if read, err := rules.Read(text); err == nil {
			if _, err := rules.Verify(read, set, time.Now()); err == nil {
				t.Fatalf("%q %q: taken", head, claims)
			}
		}
		// Signed, they are refused with a reason or are what the rules want.
		text = fake.Signed(t, "ES256", head, i.Signer("ES256-1"), claims)
		read, err := rules.Read(text)
		if err != nil {
			return
		}
		got, err := rules.Verify(read, set, time.Now())
		refusal := (*token.Refusal)(nil)
		if err != nil && !errors.As(err, &refusal) && !errors.Is(err, token.ErrNoKey) {
			t.Fatalf("%q %q: %v", head, claims, err)
		}
		if err != nil {
			return
		}
		if got.Text("iss") != i.Name || rules.Expiry(got) <= time.Now().Unix()-1 {
			t.Fatalf("%q %q: taken", head, claims)
		}
		parser := jwt.NewParser(jwt.WithValidMethods(rules.Algorithms), jwt.WithIssuer(i.Name), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Second))
		if _, err := parser.Parse(text, func(*jwt.Token) (any, error) { return i.Public("ES256-1"), nil }); err != nil {
			t.Fatalf("%q %q: taken, and not by golang-jwt: %v", head, claims, err)
		}
		dec := json.NewDecoder(strings.NewReader(claims))
		dec.UseNumber()
		var want map[string]any
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(counted(got.Map()), counted(want)) {
			t.Fatalf("%q is read as %v, by encoding/json as %v, %v", claims, got.Map(), want, err)
		}
	})
}

// counted is a value with numbers as texts: whole ones of 64 bits as they are.
func counted(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return fmt.Sprint(i)
		}
		f, _ := v.Float64()
		return fmt.Sprint(f, "f")
	case int:
		return fmt.Sprint(v)
	case float64:
		return fmt.Sprint(v, "f")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = counted(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			out[name] = counted(v[name])
		}
		return out
	}
	return v
}
