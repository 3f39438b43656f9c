package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"portico/cmd/portico/demo"
	"portico/internal/apim"
	"portico/manager"
)

// seeder loads the demo through the same use cases that people use.
type seeder struct {
	tenants *manager.Tenants
	catalog *manager.Catalog
	access  *manager.Access
	fleet   *manager.Fleet
}

// The demo's names, which the seeder finds again at the next start.
const (
	demoTenant      = "demo"
	demoAPI         = "parcels"
	demoApplication = "demo-terminal"
)

// seed makes the demo on an empty database and, at every start, a fresh key
// for the line that is printed, since keys are stored as hashes alone. It
// returns the key once the gateway takes it, or "" when the demo's application
// was deleted.
func (s *seeder) seed(ctx context.Context, upstream string) (string, error) {
	actor := apim.Actor{System: true, Name: "Portico demo"}
	tenant, err := s.tenants.Tenant(ctx, actor, demoTenant)
	if apim.KindOf(err) == apim.NotFound {
		everybody, err := s.tenants.Memberships(ctx, actor)
		if err != nil {
			return "", err
		}
		if len(everybody) > 0 {
			return "", nil // somebody's own installation: nothing is added to it
		}
		tenant, err = s.load(ctx, actor, upstream)
		if err != nil {
			return "", fmt.Errorf("load the demo: %w", err)
		}
	} else if err != nil {
		return "", err
	}
	return s.freshKey(ctx, actor, tenant.ID)
}

func (s *seeder) load(ctx context.Context, actor apim.Actor, upstream string) (apim.Tenant, error) {
	tenant, err := s.tenants.CreateTenant(ctx, actor, demoTenant, "Demo")
	if err != nil {
		return tenant, err
	}
	staged, err := s.catalog.StageImport(ctx, actor, tenant.ID, manager.Upload{FileName: "parcels.yaml", Body: bytes.NewReader(demo.Document)})
	if err != nil {
		return tenant, err
	}
	version, err := s.catalog.AcceptImport(ctx, actor, tenant.ID, staged.ID, manager.AcceptImport{
		Name: "Parcels", Slug: demoAPI, Label: "v1", Upstream: upstream, Access: "document",
	})
	if err != nil {
		return tenant, err
	}
	if _, err := s.catalog.Publish(ctx, actor, tenant.ID, version.ID, "production", "First revision"); err != nil {
		return tenant, err
	}
	plan, err := s.offer(ctx, actor, tenant.ID, version.ID)
	if err != nil {
		return tenant, err
	}
	app, err := s.access.CreateApplication(ctx, actor, tenant.ID, manager.ApplicationInput{
		Slug: demoApplication, Name: new("Demo terminal"), Description: new("Calls Parcels from the command line that Portico printed."),
	})
	if err != nil {
		return tenant, err
	}
	_, _, err = s.access.Request(ctx, actor, tenant.ID, manager.RequestAccess{Application: app.ID, Plan: plan.ID})
	return tenant, err
}

// offer makes the product with its two plans and returns the automatic one.
func (s *seeder) offer(ctx context.Context, actor apim.Actor, tenant, version apim.ID) (apim.Plan, error) {
	product, err := s.catalog.CreateProduct(ctx, actor, tenant, manager.ProductInput{
		Slug: "parcels", Name: new("Parcels"), Summary: new("Book parcels, print labels and follow them to the door."),
		Description: new("A product of Portico's demo. Its API is a small carrier that keeps everything in memory.\n\nThe **Trial** plan lets you in at once; somebody has to approve **Business**."),
		Visibility:  new(apim.VisiblePublic), Listed: new(true), Versions: &[]apim.ID{version},
	})
	if err != nil {
		return apim.Plan{}, err
	}
	trial, _, err := s.catalog.CreatePlan(ctx, actor, tenant, product.ID, manager.PlanInput{
		Slug: "trial", Name: new("Trial"), Description: new("For a first look."), Price: new("Free"),
		Approval: new(apim.Automatic), State: new(apim.PlanPublished),
		Limits: &[]apim.RateLimit{{Requests: 60, Period: time.Minute, Burst: 20}},
	})
	if err != nil {
		return trial, err
	}
	_, _, err = s.catalog.CreatePlan(ctx, actor, tenant, product.ID, manager.PlanInput{
		Slug: "business", Name: new("Business"), Description: new("For programs that people rely on."), Price: new("€ 40 a month"),
		Approval: new(apim.Manual), State: new(apim.PlanPublished),
		Limits: &[]apim.RateLimit{{Requests: 100, Period: time.Second, Burst: 200}},
	})
	return trial, err
}

// freshKey replaces the demo application's keys with a new one.
func (s *seeder) freshKey(ctx context.Context, actor apim.Actor, tenant apim.ID) (string, error) {
	app, err := s.access.Application(ctx, actor, tenant, demoApplication)
	if apim.KindOf(err) == apim.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, c := range app.Credentials {
		if c.RevokedAt.IsZero() {
			if _, _, err := s.access.RevokeKey(ctx, actor, tenant, c.ID); err != nil {
				return "", fmt.Errorf("revoke the demo's last key: %w", err)
			}
		}
	}
	minted, err := s.access.CreateKey(ctx, actor, tenant, app.Application.ID, manager.NewKey{Name: "Printed at start"})
	if err != nil {
		return "", fmt.Errorf("mint the demo's key: %w", err)
	}
	// A node that serves its disk copy is ready before it has heard of the key.
	waiting, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	if _, err := s.fleet.WaitApplied(waiting, actor, minted.Change); err != nil {
		return "", fmt.Errorf("wait for the demo's key: %w", err)
	}
	return minted.Key, nil
}
