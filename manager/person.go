package manager

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

// firstRunFor is how long the one-time link is good.
const firstRunFor = 24 * time.Hour

// FirstRunLink returns a new one-time link of 24 h for the console, or "" when
// there is an operator already. Making one ends the one before.
func (t *Tenants) FirstRunLink(ctx context.Context) (string, error) {
	token := secret.MintToken("portico_first")
	link := t.ConsoleURL + "/first-run?token=" + token.Reveal()
	err := t.write(ctx, apim.Actor{System: true}, func(u *unit) error {
		made, err := u.System().HasOperator(ctx)
		if err != nil {
			return err
		}
		if made {
			link = ""
			return nil
		}
		return u.System().SetFirstRun(ctx, secret.HashHex(token.Reveal()), u.now.Add(firstRunFor))
	})
	if err != nil {
		return "", err
	}
	return link, nil
}

// CheckFirstRun refuses a token that is not the current one. joins is the
// tenant that the first operator will join, zero when they are to make one.
func (t *Tenants) CheckFirstRun(ctx context.Context, token string) (joins apim.Tenant, err error) {
	err = t.Store.Read(ctx, func(tx *store.Tx) error {
		joins, err = checkFirstRun(ctx, tx, token, t.now())
		return err
	})
	return joins, err
}

func checkFirstRun(ctx context.Context, tx *store.Tx, token string, now time.Time) (apim.Tenant, error) {
	ended := apim.Errorf(apim.NotFound, "this link is not valid any more; the log of Portico's last start has the current one").WithCode("link_ended")
	if made, err := tx.System().HasOperator(ctx); err != nil || made {
		if err == nil {
			err = ended
		}
		return apim.Tenant{}, err
	}
	hash, expires, err := tx.System().FirstRun(ctx)
	if apim.KindOf(err) == apim.NotFound {
		return apim.Tenant{}, ended
	}
	if err != nil {
		return apim.Tenant{}, err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(secret.HashHex(token))) != 1 || !now.Before(expires) {
		return apim.Tenant{}, ended
	}
	// Only a tenant without members is joined, such as the demo's: somebody
	// who signed up before the first run keeps theirs to themselves.
	joins, err := tx.System().EmptyTenant(ctx)
	if apim.KindOf(err) == apim.NotFound {
		return apim.Tenant{}, nil
	}
	return joins, err
}

// FirstRun makes the first operator with the link's token, which it uses up.
func (t *Tenants) FirstRun(ctx context.Context, token string, in FirstRun) (apim.Person, error) {
	if _, err := t.CheckFirstRun(ctx, token); err != nil {
		return apim.Person{}, err // before a password is hashed for nothing
	}
	in.Email = normalEmail(in.Email)
	var check apim.Check
	checkPerson(&check, in.Name, in.Email, in.Password)
	own := in.TenantName != "" || in.TenantSlug != ""
	if err := check.Err(); err != nil && !own {
		return apim.Person{}, err
	}
	hash := ""
	if len(in.Password) >= shortestPassword {
		var err error
		if hash, err = t.hashing.hash(ctx, in.Password); err != nil {
			return apim.Person{}, err
		}
	}
	var p apim.Person
	err := t.write(ctx, apim.Actor{Name: in.Name}, func(u *unit) error {
		tenant, err := checkFirstRun(ctx, u.Tx, token, u.now)
		if err != nil {
			return err
		}
		if own || tenant.ID == "" {
			if tenant, err = newTenant(ctx, u, &check, in.TenantSlug, in.TenantName, "tenant_slug", "tenant_name"); err != nil {
				return err
			}
		}
		if err := check.Err(); err != nil {
			return err
		}
		p = apim.Person{ID: apim.NewID(apim.PrefixPerson, u.now), Email: in.Email, Name: strings.TrimSpace(in.Name), Operator: true, CreatedAt: u.now, SignedIn: u.now, Lock: 1}
		u.actor = apim.Actor{Person: p.ID, Name: p.Name, Operator: true}
		if err := u.System().InsertPerson(ctx, p, hash); err != nil {
			return err
		}
		if err := u.System().EndFirstRun(ctx); err != nil {
			return err
		}
		if err := u.record(ctx, "", "person.first_run", p.ID, "%s became the first operator", p.Name); err != nil {
			return err
		}
		return joinOrMake(ctx, u, tenant, p, apim.RoleOwner)
	})
	if err != nil {
		return apim.Person{}, err
	}
	return p, t.Authz.Reload(ctx)
}

// newTenant checks and returns a tenant that is still to be inserted.
func newTenant(ctx context.Context, u *unit, check *apim.Check, slug, name, slugField, nameField string) (apim.Tenant, error) {
	tenant := apim.Tenant{ID: apim.NewID(apim.PrefixTenant, u.now), Slug: slug, Name: strings.TrimSpace(name), CreatedAt: u.now}
	check.Require(nameField, tenant.Name)
	check.Length(nameField, tenant.Name, 120)
	if tenant.Slug == "" {
		tenant.Slug = apim.Slugify(tenant.Name)
	}
	check.Slug(slugField, tenant.Slug)
	free, err := freeSlug(ctx, u, tenant.Slug)
	if err != nil {
		return tenant, err
	}
	if !free {
		check.Fail(slugField, "taken", "%q is taken; choose another", tenant.Slug)
	}
	return tenant, nil
}

// freeSlug reports whether a new tenant may have a slug: it would hold all
// paths that begin with it, so no mount that was given may.
func freeSlug(ctx context.Context, u *unit, slug string) (bool, error) {
	if _, err := u.System().Tenant(ctx, slug); apim.KindOf(err) != apim.NotFound {
		return false, err
	}
	mounted, err := u.System().MountedBelow(ctx, slug)
	return !mounted, err
}

// joinOrMake makes a person a member of a tenant, which is inserted first when
// it is new (its lock is 0 until then).
func joinOrMake(ctx context.Context, u *unit, tenant apim.Tenant, p apim.Person, role apim.Role) error {
	if tenant.Lock == 0 {
		tenant.Lock = 1
		if err := u.System().InsertTenant(ctx, tenant); err != nil {
			return err
		}
		if err := u.record(ctx, tenant.ID, "tenant.create", tenant.ID, "organisation %s made", tenant.Name); err != nil {
			return err
		}
	}
	if p.ID == "" {
		return nil
	}
	m := apim.Member{Tenant: tenant.ID, Person: p.ID, Roles: []apim.Role{role}, JoinedAt: u.now}
	if err := u.Tenant(tenant.ID).InsertMember(ctx, m); err != nil {
		return err
	}
	return u.record(ctx, tenant.ID, "member.join", p.ID, "%s joined as %s", p.Name, role)
}

func normalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func checkPerson(check *apim.Check, name, email, password string) {
	checkName(check, strings.TrimSpace(name))
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 {
		check.Fail("email", "email", "use an address such as ada@example.com")
	}
	checkPassword(check, "password", password)
}

// SignIn checks a password. Wrong ones are limited by account and address, and
// the answer never tells whether the account exists.
func (t *Tenants) SignIn(ctx context.Context, email, password, address string) (apim.Person, error) {
	email = normalEmail(email)
	if len(email) > 254 || len(password) > 4*longestPassword {
		return apim.Person{}, wrongPassword()
	}
	if err := t.attempts.begin(email, address, t.now()); err != nil {
		return apim.Person{}, err
	}
	p, hash, err := t.Store.System().PersonByEmail(ctx, email)
	if err != nil && apim.KindOf(err) != apim.NotFound {
		return apim.Person{}, err
	}
	ok, err := t.hashing.fits(ctx, password, hash)
	if err != nil {
		return apim.Person{}, err
	}
	if !ok {
		return apim.Person{}, wrongPassword()
	}
	t.attempts.end(email, address)
	err = t.write(ctx, apim.Actor{Person: p.ID, Name: p.Name, Operator: p.Operator, Address: address}, func(u *unit) error {
		p.SignedIn = u.now
		if err := u.System().SignedIn(ctx, p.ID, u.now); err != nil {
			return err
		}
		return u.record(ctx, "", "person.sign_in", p.ID, "%s signed in", p.Name)
	})
	return p, err
}

func wrongPassword() error {
	return apim.Errorf(apim.SignIn, "the address or the password is wrong").WithCode("wrong_password")
}

// SignUp makes an account where OpenSignUp allows it. Its person is a consumer:
// providers make gateway nodes call addresses of their choice, and are invited.
func (t *Tenants) SignUp(ctx context.Context, in SignUp, address string) (apim.Person, error) {
	if !t.OpenSignUp {
		return apim.Person{}, apim.Errorf(apim.Forbidden, "accounts are made by invitation here; ask the people who run this portal").WithCode("sign_up_closed")
	}
	in.Email = normalEmail(in.Email)
	var check apim.Check
	checkPerson(&check, in.Name, in.Email, in.Password)
	check.Length("organisation", in.Organisation, 120)
	if err := check.Err(); err != nil {
		return apim.Person{}, err
	}
	if err := t.attempts.begin("sign up "+in.Email, address, t.now()); err != nil {
		return apim.Person{}, err
	}
	hash, err := t.hashing.hash(ctx, in.Password)
	if err != nil {
		return apim.Person{}, err
	}
	var p apim.Person
	err = t.write(ctx, apim.Actor{Name: in.Name, Address: address}, func(u *unit) error {
		if _, _, err := u.System().PersonByEmail(ctx, in.Email); apim.KindOf(err) != apim.NotFound {
			if err == nil {
				err = invalid("email", "taken", "there is an account with this address; sign in instead")
			}
			return err
		}
		p = apim.Person{ID: apim.NewID(apim.PrefixPerson, u.now), Email: in.Email, Name: strings.TrimSpace(in.Name), CreatedAt: u.now, SignedIn: u.now, Lock: 1}
		u.actor.Person = p.ID
		if err := u.System().InsertPerson(ctx, p, hash); err != nil {
			return err
		}
		if err := u.record(ctx, "", "person.sign_up", p.ID, "%s made an account", p.Name); err != nil {
			return err
		}
		tenant, err := ownTenant(ctx, u, p, in.Organisation)
		if err != nil {
			return err
		}
		return joinOrMake(ctx, u, tenant, p, apim.RoleConsumer)
	})
	if err != nil {
		return apim.Person{}, err
	}
	return p, t.Authz.Reload(ctx)
}

// ownTenant is a new consumer's tenant under a slug that is free.
func ownTenant(ctx context.Context, u *unit, p apim.Person, organisation string) (apim.Tenant, error) {
	name := strings.TrimSpace(organisation)
	if name == "" {
		name = p.Name
	}
	base := apim.Slugify(name)
	if base == "" {
		base = "organisation"
	}
	if len(base) > 55 {
		base = strings.Trim(base[:55], "-")
	}
	for i := 1; i < 1000; i++ {
		slug := base
		if i > 1 {
			slug = fmt.Sprintf("%s-%d", base, i)
		}
		free, err := freeSlug(ctx, u, slug)
		if err != nil {
			return apim.Tenant{}, err
		}
		if free {
			return apim.Tenant{ID: apim.NewID(apim.PrefixTenant, u.now), Slug: slug, Name: name, CreatedAt: u.now}, nil
		}
	}
	return apim.Tenant{}, invalid("organisation", "taken", "choose another name for the organisation")
}

// Person returns a person by id, for a session.
func (t *Tenants) Person(ctx context.Context, id apim.ID) (apim.Person, error) {
	return t.Store.System().Person(ctx, id)
}

// SetTheme keeps the actor's theme: "light", "dark" or "".
func (t *Tenants) SetTheme(ctx context.Context, actor apim.Actor, theme string) error {
	if actor.Person == "" {
		return apim.Errorf(apim.SignIn, "sign in to keep a theme")
	}
	if theme != "" && theme != "light" && theme != "dark" {
		return invalid("theme", "unknown", "is %q; use light, dark or nothing", theme)
	}
	return t.write(ctx, actor, func(u *unit) error {
		p, err := u.System().Person(ctx, actor.Person)
		if err != nil || p.Theme == theme {
			return err
		}
		p.Theme = theme
		return u.System().UpdatePerson(ctx, &p)
	})
}
