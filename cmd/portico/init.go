package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"portico/internal/bus"
	"portico/internal/secret"
)

// keyFile is the installation's key in the folder that init makes.
const keyFile = "installation.key"

// initCommand writes what an installation with its roles apart starts from.
type initCommand struct {
	Dir        string `arg:"" help:"Folder to write to. It holds secrets: managers need all of it, portals portal.creds, the NATS server nats.conf."`
	NATSListen string `name:"nats-listen" default:"0.0.0.0:4222" help:"Where the NATS server is to listen."`
	NATSStore  string `name:"nats-store" default:"" help:"Where the NATS server is to keep its data. Default: nats in the folder."`
}

// Run writes the files, and leaves alone what is there.
func (c *initCommand) Run(io *ctlIO) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	store := c.NATSStore
	if store == "" {
		store = filepath.Join(dir, "nats")
	}
	made, err := bus.WriteSetup(dir, c.NATSListen, store)
	if err != nil {
		return fmt.Errorf("write the setup: %w", err)
	}
	_, madeKey, err := secret.KeyFile(filepath.Join(dir, keyFile))
	if err != nil {
		return err
	}
	if !made && !madeKey {
		fmt.Fprintf(io.Out, "%s holds a setup already; nothing was changed.\n", dir)
		return nil
	}
	fmt.Fprintf(io.Out, "Written to %s:\n\n", dir)
	fmt.Fprintf(io.Out, "  %-18s the root of trust on the bus; for managers, secret\n", bus.OperatorFile)
	fmt.Fprintf(io.Out, "  %-18s seals what the database keeps secret; for managers, secret\n", keyFile)
	fmt.Fprintf(io.Out, "  %-18s lets portals into the bus; secret\n", bus.PortalFile)
	fmt.Fprintf(io.Out, "  %-18s for nats-server 2.12.6 or newer, or 'portico nats'\n\n", bus.ServerFile)
	fmt.Fprintf(io.Out, "Keep a copy of the first two: without them nothing sealed opens, and every node has to enrol again.\n")
	return nil
}

// secretFile finds a file of the setup that a role needs.
func secretFile(setup, given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	path := filepath.Join(setup, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s; write it with 'portico init %s'", path, setup)
	}
	return path, nil
}
