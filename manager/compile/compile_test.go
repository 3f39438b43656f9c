package compile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/manager/compile"
)

var update = flag.Bool("update", false, "rewrite what the golden files expect")

// state is the input of a golden file: what is set is compiled.
type state struct {
	Environment *apim.Environment
	Settings    *apim.EnvironmentSettings // nil: the defaults
	ProblemURL  string

	Tenant   string // its slug
	API      apim.API
	Version  *apim.Version
	Revision apim.Revision

	Product apim.Product
	Plan    *apim.Plan

	Application   apim.Application
	Credential    *apim.Credential
	Secret        apim.Secret
	Subscriptions []apim.Subscription
}

const rule = "\n=====\n"

// Each file has a sentence, the state, and the entries with what nodes would
// say of them, between lines of "=====".
func TestStateCompilesToItsEntries(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(raw), rule)
			if len(parts) < 2 {
				t.Fatalf("%s: want a sentence and a state", file)
			}
			var in state
			if err := entry.Strict([]byte(parts[1]), &in); err != nil {
				t.Fatal(err)
			}
			got := compiled(t, in)
			if again := compiled(t, in); again != got {
				t.Error("the same state compiled to something else")
			}
			if *update {
				out := strings.Join([]string{parts[0], strings.TrimSpace(parts[1]), got}, rule)
				if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(got, strings.Join(parts[2:], rule)); diff != "" {
				t.Errorf("got (-), want (+):\n%s", diff)
			}
		})
	}
}

// compiled returns the entries of a state as text.
func compiled(t *testing.T, in state) string {
	t.Helper()
	var out strings.Builder
	if e := in.Environment; e != nil {
		env := *e
		if env.Settings = apim.DefaultEnvironmentSettings(); in.Settings != nil {
			env.Settings = *in.Settings
		}
		write(t, &out, entry.EnvKey, compile.Env(env, in.ProblemURL))
	}
	if v := in.Version; v != nil {
		key, err := entry.APIKey(v.ID.UUID())
		if err != nil {
			t.Fatal(err)
		}
		write(t, &out, key, compile.API(in.Tenant, in.API, *v, in.Revision))
	}
	if p := in.Plan; p != nil {
		key, err := entry.TermsKey(p.ID.UUID())
		if err != nil {
			t.Fatal(err)
		}
		write(t, &out, key, compile.Terms(*p, in.Product))
	}
	if c := in.Credential; c != nil {
		key, err := entry.GrantKey(in.Secret.Hash)
		if err != nil {
			t.Fatal(err)
		}
		write(t, &out, key, compile.Grant(*c, in.Secret, in.Application, in.Subscriptions))
	}
	return out.String()
}

func write[B entry.Body](t *testing.T, out *strings.Builder, key entry.Key, body B) {
	t.Helper()
	it, err := entry.Encode(key, entry.Position{Epoch: 1, Sequence: 1}, body)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := entry.Decode[B](it); err != nil {
		t.Errorf("%s does not decode: %v", key, err)
	} else if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, it.Body) {
		t.Errorf("%s decodes to something else: %s, %v", key, again, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, it.Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s\n%s\n", key, pretty.String())
	for _, p := range check.Item(it) {
		fmt.Fprintf(out, "refused: %s: %s\n", p.Field, p.Reason)
	}
}

// Nothing of a person, a price or a key travels to the nodes.
func TestWhatNodesNeedNotKnowStaysHome(t *testing.T) {
	const canary = "canary"
	out := compiled(t, state{
		Environment: &apim.Environment{ID: "env_1", Slug: "production", Name: canary, Kind: apim.Production, GatewayURL: "https://gw"},
		Tenant:      "demo",
		API:         apim.API{ID: id("api", 1), Tenant: id("ten", 1), Slug: "orders", Name: canary, Description: canary, Contact: canary, Tags: []string{canary}},
		Version:     &apim.Version{ID: id("ver", 1), Label: "v1", StateReason: canary},
		Revision:    apim.Revision{Number: 1, Note: canary, By: canary},
		Product:     apim.Product{ID: id("prod", 1), Name: "Orders", Summary: canary, Description: canary},
		Plan:        &apim.Plan{ID: id("plan", 1), Name: "Trial", Description: canary, Price: canary},
		Application: apim.Application{ID: id("app", 1), Tenant: id("ten", 2), Name: "Shop", Description: canary, By: canary},
		Credential:  &apim.Credential{ID: id("cred", 1), Environment: "production", Name: canary, RevokedBy: canary},
		Secret:      apim.Secret{Hash: strings.Repeat("a", 64), Prefix: canary, LastFour: canary},
		Subscriptions: []apim.Subscription{{
			ID: id("sub", 1), Plan: id("plan", 1), State: apim.Active,
			Reason: canary, RequestedBy: canary, Requester: canary, Note: canary, DecidedBy: canary, Decider: canary,
		}},
	})
	if strings.Contains(out, canary) {
		t.Errorf("it travels:\n%s", out)
	}
	if strings.Count(out, "\n{") != 4 {
		t.Errorf("got %d entries, want 4:\n%s", strings.Count(out, "\n{"), out)
	}
}

func id(prefix string, n int) apim.ID { return apim.ID(fmt.Sprintf("%s_%032x", prefix, n)) }
