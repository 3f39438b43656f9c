package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configFile reads the file of --config: a JSON object with the flags' names,
// as in {"gateway-addr": ":80"}. A name that is no flag's is an error.
func configFile(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the settings' file: %w", err)
	}
	values := map[string]any{}
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("the settings' file is no JSON object: %w", err)
	}
	return fileSettings(values), nil
}

// fileSettings are what a settings' file says, by flag. They stand below the
// environment, which kong has read before it asks here, so a flag that the
// environment sets is left alone.
type fileSettings map[string]any

// Validate refuses names that no flag of the command has.
func (f fileSettings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	var unknown []string
	for name := range f {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("the settings' file has unknown settings: %s", strings.Join(unknown, ", "))
	}
	return nil
}

// Resolve returns the file's value for a flag.
func (f fileSettings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return f[flag.Name], nil
}
