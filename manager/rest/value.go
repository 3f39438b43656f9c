package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
)

// value is a tenant's named value in an environment; of a secret one the value
// is never told.
type value struct {
	Name        string    `json:"name"`
	Environment string    `json:"environment"`
	Value       string    `json:"value,omitempty"`
	Secret      bool      `json:"secret"`
	UpdatedBy   string    `json:"updated_by"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func valueOf(v apim.EnvironmentValue) value {
	return value{Name: v.Name, Environment: v.Environment, Value: v.Value, Secret: v.Secret, UpdatedBy: v.UpdatedBy, UpdatedAt: v.UpdatedAt.UTC()}
}

func listValues(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	all, err := r.Catalog.Values(r.ctx, r.actor, r.tenant.ID, env.Slug)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[value]{Items: each(all, valueOf)})
}

func setValue(r *request) error {
	var in struct {
		Value  string `json:"value"`
		Secret bool   `json:"secret"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	env, err := r.environment()
	if err != nil {
		return err
	}
	v, change, err := r.Catalog.SetValue(r.ctx, r.actor, r.tenant.ID, manager.ValueInput{
		Environment: env.Slug, Name: r.c.Param("value"), Value: secret.Text(in.Value), Secret: in.Secret,
	})
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, struct {
		value
		outcome
	}{valueOf(v), r.settle(change)})
}

func deleteValue(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	if err := r.Catalog.DeleteValue(r.ctx, r.actor, r.tenant.ID, env.Slug, r.c.Param("value")); err != nil {
		return err
	}
	return r.gone()
}
