package rest

import (
	"net/http"

	"portico/internal/apim"
	"portico/manager"
)

// purgeCache makes an environment's nodes forget stored answers.
func purgeCache(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Tag string `json:"tag"`
		URL string `json:"url"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	if _, err := r.Catalog.PurgeCache(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"), manager.Purge{Tag: in.Tag, URL: in.URL}); err != nil {
		return err
	}
	r.c.Status(http.StatusAccepted)
	return nil
}
