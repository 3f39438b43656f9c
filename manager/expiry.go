package manager

import (
	"context"
	"time"

	"portico/internal/apim"
)

// expiryEvery is how often subscriptions are looked through for their end.
// Nodes refuse at the end itself: they know it.
const expiryEvery = time.Second

// RunExpiry closes plans at their date and ends subscriptions whose time, or
// plan, is over, until ctx ends.
func (a *Access) RunExpiry(ctx context.Context) error {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	for {
		if err := a.expire(ctx); err != nil && ctx.Err() == nil {
			a.Log.ErrorContext(ctx, "subscriptions not expired", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Access) expire(ctx context.Context) error {
	if err := a.closeDuePlans(ctx); err != nil {
		return err
	}
	for a.endWithPlans(ctx) {
	}
	due, err := a.Store.System().ToExpire(ctx, a.now(), 100)
	if err != nil {
		return err
	}
	for _, s := range due {
		err := a.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
			s, err := u.Tenant(s.Tenant).SubscriptionTo(ctx, s.ID)
			if err != nil {
				return err
			}
			if err := s.Expire(u.now); err != nil {
				return err
			}
			if err := u.Tenant(s.Tenant).UpdateSubscription(ctx, &s); err != nil {
				return err
			}
			app, err := u.applicationOf(ctx, s)
			if err != nil {
				return err
			}
			if err := u.recordBoth(ctx, s.Tenant, s, "subscription.expire", "subscription of %s reached its end", app.Name); err != nil {
				return err
			}
			_, err = u.regrant(ctx, app)
			return err
		})
		if err != nil && apim.KindOf(err) != apim.Conflict { // a Conflict: somebody was faster
			return err
		}
	}
	return nil
}
