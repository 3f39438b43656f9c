package rest

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
)

type enrolment struct {
	ID          apim.ID   `json:"id"`
	Environment string    `json:"environment"`
	Name        string    `json:"name,omitempty"`
	CreatedBy   string    `json:"created_by"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	// Token is the token itself, in the answer that made it alone.
	Token string `json:"token,omitempty"`
}

func enrolmentOf(e apim.Enrolment) enrolment {
	return enrolment{
		ID: e.ID, Environment: e.Environment, Name: e.Name, CreatedBy: e.CreatedBy,
		CreatedAt: e.CreatedAt.UTC(), ExpiresAt: e.ExpiresAt.UTC(),
	}
}

func listEnrolments(r *request) error {
	all, err := r.Fleet.Enrolments(r.ctx, r.actor, r.c.Param("environment"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[enrolment]{Items: each(all, enrolmentOf)})
}

func createEnrolment(r *request) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	made, text, err := r.Fleet.CreateEnrolment(r.ctx, r.actor, r.c.Param("environment"), in.Name)
	if err != nil {
		return err
	}
	out := enrolmentOf(made)
	out.Token = text.Reveal()
	return r.answer(http.StatusCreated, 0, out)
}

func deleteEnrolment(r *request) error {
	id, err := r.id(apim.PrefixEnrolment, "enrolment")
	if err != nil {
		return err
	}
	if err := r.Fleet.DeleteEnrolment(r.ctx, r.actor, r.c.Param("environment"), id); err != nil {
		return err
	}
	return r.gone()
}

// EnrolPath is where gateway nodes come, beside the API: a node is no person
// and has no token of one.
const EnrolPath = "/enrol"

// Enrol returns the handler of EnrolPath. natsURL is where nodes find the bus,
// unless they are told otherwise.
func (e *Edge) Enrol(natsURL string) http.Handler {
	engine := web.New(web.Config{Name: "enrol", Log: e.Log, ProblemURL: e.ProblemURL})
	engine.POST(EnrolPath, func(c *gin.Context) {
		var in struct {
			Token   string `json:"token"`
			Name    string `json:"name"`
			UserKey string `json:"user_key"`
			BoxKey  string `json:"box_key"`
			Build   string `json:"build"`
		}
		if err := web.DecodeJSON(c, &in, false); err != nil {
			web.Fail(c, err)
			return
		}
		got, err := e.Fleet.Enrol(c.Request.Context(), manager.EnrolNode{
			Token: secret.Text(in.Token), Name: in.Name, UserKey: in.UserKey, BoxKey: in.BoxKey, Build: in.Build,
		})
		if err != nil {
			web.Fail(c, err)
			return
		}
		web.JSON(c, http.StatusCreated, map[string]string{
			"node": got.Node.ID.UUID(), "name": got.Node.Name, "environment": got.Node.Environment, "nats_url": natsURL, "user": got.User,
		})
	})
	return engine
}
