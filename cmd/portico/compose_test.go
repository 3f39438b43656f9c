package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// docker-compose.yml cannot be run by the tests; but the commands in it parse,
// and the settings are ones that these commands know.
func TestComposeFileSaysWhatTheCommandsUnderstand(t *testing.T) {
	raw, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Environment map[string]string
			DependsOn   map[string]any `yaml:"depends_on"`
			Volumes     []string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var roles []string
	for name, s := range file.Services {
		for other := range s.DependsOn {
			if _, there := file.Services[other]; !there {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); !strings.HasPrefix(volume, "./") {
				if _, there := file.Volumes[volume]; !there {
					t.Errorf("%s uses the volume %s, which is not there", name, volume)
				}
			}
		}
		if s.Image != "portico" {
			continue
		}
		roles = append(roles, s.Command[0])
		known := settingsOf(t, s.Command[0])
		for setting := range s.Environment {
			if !slices.Contains(known, setting) && setting != "PORTICO_TOKEN" {
				t.Errorf("%s: %s is no setting of %s", name, setting, s.Command[0])
			}
		}
	}
	slices.Sort(roles)
	if got := strings.Join(slices.Compact(roles), " "); got != "gateway init manager nodes portal" {
		t.Errorf("got the roles %s", got)
	}
}

// settingsOf returns the environment variables of a command and those below it.
func settingsOf(t *testing.T, command string) []string {
	t.Helper()
	var c cli
	app, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, node := range app.Model.Children {
		if node.Name != command {
			continue
		}
		_ = kong.Visit(node, func(v kong.Visitable, next kong.Next) error {
			if flag, ok := v.(*kong.Flag); ok {
				out = append(out, flag.Envs...)
			}
			return next(nil)
		})
	}
	return out
}
