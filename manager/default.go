package manager

import (
	"context"
	"slices"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// lived is what is live of a version in an environment.
type lived struct {
	version apim.Version
	rev     apim.Revision
}

// address is a host and a base path.
type address struct{ host, path string }

// livedIn returns what is live of an API's versions in an environment, oldest
// version first.
func (u *unit) livedIn(ctx context.Context, t store.Tenant, api apim.API, environment string) ([]lived, error) {
	lines, err := t.VersionLines(ctx, []apim.ID{api.ID})
	if err != nil {
		return nil, err
	}
	live, err := t.Deployments(ctx, ids(lines, func(l store.VersionLine) apim.ID { return l.ID }))
	if err != nil {
		return nil, err
	}
	var out []lived
	for _, line := range slices.Backward(lines) {
		for _, d := range live[line.ID] {
			if d.Environment != environment {
				continue
			}
			rev, err := t.Revision(ctx, line.ID, d.Revision)
			if err != nil {
				return nil, err
			}
			out = append(out, lived{line.Version, rev})
		}
	}
	return out, nil
}

// with returns the list with a revision in the place of what is live of its
// version.
func with(list []lived, v apim.Version, rev apim.Revision) []lived {
	out := append(except(list, v.ID), lived{v, rev})
	slices.SortFunc(out, func(a, b lived) int { return slices.Compare([]byte(a.version.ID), []byte(b.version.ID)) })
	return out
}

func except(list []lived, version apim.ID) []lived {
	return slices.DeleteFunc(slices.Clone(list), func(l lived) bool { return l.version.ID == version })
}

// defaults returns the places that versions of an API take by its setting: those
// that some version selects at and none holds for itself.
func defaults(setting string, live []lived) map[apim.ID][]address {
	if setting == "" {
		return nil
	}
	var order []address
	selects, held := map[address][]lived{}, map[address]bool{}
	for _, l := range live {
		for _, m := range l.rev.Runtime.Mounts {
			at := address{m.Host, m.BasePath}
			if m.Select == (apim.Selector{}) {
				held[at] = true
				continue
			}
			if len(selects[at]) == 0 {
				order = append(order, at)
			}
			if n := len(selects[at]); n == 0 || selects[at][n-1].version.ID != l.version.ID {
				selects[at] = append(selects[at], l)
			}
		}
	}
	out := map[apim.ID][]address{}
	for _, at := range order {
		if held[at] {
			continue
		}
		there := selects[at] // oldest first
		switch setting {
		case apim.DefaultNewest:
			newest := there[len(there)-1].version.ID
			out[newest] = append(out[newest], at)
		case apim.DefaultOldest:
			out[there[0].version.ID] = append(out[there[0].version.ID], at)
		default:
			for _, l := range there {
				if l.version.Label == setting {
					out[l.version.ID] = append(out[l.version.ID], at)
				}
			}
		}
	}
	return out
}

// defaultPlaces returns the places that a revision takes by its API's setting
// when it is live. It costs nothing where there is no setting.
func (u *unit) defaultPlaces(ctx context.Context, t store.Tenant, api apim.API, v apim.Version, rev apim.Revision, environment string) ([]address, error) {
	if api.DefaultVersion == "" {
		return nil, nil
	}
	live, err := u.livedIn(ctx, t, api, environment)
	if err != nil {
		return nil, err
	}
	return defaults(api.DefaultVersion, with(live, v, rev))[v.ID], nil
}

// regiven emits the versions of an API, other than skip, whose default places
// are not what they were: those that gain first.
func (c *Catalog) regiven(ctx context.Context, u *unit, environment string, live []lived, before, after map[apim.ID][]address, skip apim.ID) (apim.Change, error) {
	var gain, lose []entry.Item
	for _, l := range live {
		was, is := before[l.version.ID], after[l.version.ID]
		if l.version.ID == skip || slices.Equal(was, is) {
			continue
		}
		it, err := u.apiItemAt(ctx, l.version, l.rev, environment, is)
		if err != nil {
			return apim.Change{}, err
		}
		if len(is) > len(was) {
			gain = append(gain, it)
		} else {
			lose = append(lose, it)
		}
	}
	if len(gain)+len(lose) == 0 {
		return apim.Change{}, nil
	}
	if len(gain) > 0 { // in a change of its own: a place is taken over before it is let go
		change, err := u.emit(ctx, environment, gain)
		if err != nil || len(lose) == 0 {
			return change, err
		}
	}
	return u.emit(ctx, environment, lose)
}

// changeDefault emits an API's versions after its setting has changed. It moves
// live traffic, so it takes who may publish.
func (c *Catalog) changeDefault(ctx context.Context, u *unit, before, api apim.API) error {
	if err := c.Authz.Allow(ctx, u.actor, api.Tenant, apim.Publish, apim.ObjectAPI, api.ID, api.Team); err != nil {
		return err
	}
	switch api.DefaultVersion {
	case "", apim.DefaultNewest, apim.DefaultOldest:
	default:
		if _, err := u.Tenant(api.Tenant).VersionByLabel(ctx, api.ID, api.DefaultVersion); err != nil {
			if apim.KindOf(err) != apim.NotFound {
				return err
			}
			return invalid("default_version", "unknown", "there is no version %q; use newest, oldest, the label of a version, or nothing", clipped(api.DefaultVersion, 63))
		}
	}
	environments, err := u.System().Environments(ctx)
	if err != nil {
		return err
	}
	for _, e := range environments {
		live, err := u.livedIn(ctx, u.Tenant(api.Tenant), api, e.Slug)
		if err != nil {
			return err
		}
		if _, err := c.regiven(ctx, u, e.Slug, live, defaults(before.DefaultVersion, live), defaults(api.DefaultVersion, live), ""); err != nil {
			return err
		}
	}
	return nil
}

// makeWay gives what a version holds by default in an environment to another
// before it goes.
func (c *Catalog) makeWay(ctx context.Context, u *unit, v apim.Version, environment string) error {
	api, err := u.Tenant(v.Tenant).API(ctx, string(v.API))
	if err != nil || api.DefaultVersion == "" {
		return err
	}
	live, err := u.livedIn(ctx, u.Tenant(v.Tenant), api, environment)
	if err != nil {
		return err
	}
	_, err = c.regiven(ctx, u, environment, live, defaults(api.DefaultVersion, live), defaults(api.DefaultVersion, except(live, v.ID)), v.ID)
	return err
}
