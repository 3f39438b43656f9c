package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portico/internal/bus"
)

// enrolment is what a node was told when it came, kept in its data folder. It
// is of no use without the node's key.
type enrolment struct {
	Node        string `json:"node"` // uuid
	Name        string `json:"name"`
	Environment string `json:"environment"`
	NATSURL     string `json:"nats_url"`
	User        string `json:"user"`     // on the bus, signed
	UserKey     string `json:"user_key"` // public half of the key that it was signed for
}

func (c *gatewayCommand) enrolmentFile() string { return filepath.Join(c.Data, "enrolment.json") }

// enrolment returns what the node was told at its enrolment, which happens now
// when it has not yet.
func (c *gatewayCommand) enrolment(ctx context.Context, key bus.NodeKey, log *slog.Logger) (enrolment, error) {
	user, err := key.User()
	if err != nil {
		return enrolment{}, err
	}
	raw, err := os.ReadFile(c.enrolmentFile())
	if err == nil {
		var have enrolment
		if err := json.Unmarshal(raw, &have); err != nil {
			return enrolment{}, fmt.Errorf("read %s: %w; remove it and enrol again", c.enrolmentFile(), err)
		}
		if have.UserKey == user {
			return have, nil
		}
		log.Warn("the node has another key than it enrolled with, and enrols again")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return enrolment{}, err
	}
	token := c.EnrolToken.Reveal()
	if c.EnrolTokenFile != "" {
		raw, err := os.ReadFile(c.EnrolTokenFile)
		if err != nil {
			return enrolment{}, fmt.Errorf("read the enrolment token: %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	if c.ManagerURL == "" || token == "" {
		return enrolment{}, errors.New("settings:\n  this node has not enrolled: give --manager-url, and in PORTICO_ENROL_TOKEN a token from the console (Nodes → Add a node) or 'portico nodes enrol'")
	}
	out, err := c.enrol(ctx, key, user, token, log)
	if err != nil {
		return enrolment{}, err
	}
	raw, err = json.MarshalIndent(out, "", "  ")
	if err != nil {
		return enrolment{}, err
	}
	tmp := c.enrolmentFile() + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return enrolment{}, fmt.Errorf("keep the enrolment: %w", err)
	}
	log.Info("enrolled", "node", out.Name, "environment", out.Environment)
	return out, os.Rename(tmp, c.enrolmentFile())
}

// enrol asks the manager, again and again while it cannot be reached.
func (c *gatewayCommand) enrol(ctx context.Context, key bus.NodeKey, user, token string, log *slog.Logger) (enrolment, error) {
	name := c.NodeName
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = ""
		}
		name = nodeName(host, nil)
	}
	box, err := key.BoxPublic()
	if err != nil {
		return enrolment{}, err
	}
	in := map[string]string{"token": token, "name": name, "user_key": user, "box_key": box, "build": version}
	manager, err := newClient(c.ManagerURL, "")
	if err != nil {
		return enrolment{}, err
	}
	manager.base = c.ManagerURL // beside the management API, since a node is no person
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		var out enrolment
		_, err := manager.call(ctx, http.MethodPost, "/enrol", nil, in, &out)
		var refused *refusal
		if err == nil || errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
			out.UserKey = user
			return out, err
		}
		log.Warn("not enrolled yet", "error", err)
		select {
		case <-ctx.Done():
			return enrolment{}, errors.Join(ctx.Err(), err)
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}
