package apim

import "time"

// Team is a group of members of a tenant that owns APIs, products and
// applications.
type Team struct {
	ID          ID
	Tenant      ID
	Slug        string
	Name        string
	Description string
	Roles       []Role // what every member of it may do with what it owns
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Lock        int64
}

// NoTeam stands for no team where things are filtered by the team that owns
// them.
const NoTeam ID = "-"

// TeamMember is a member of a tenant in a team.
type TeamMember struct {
	Tenant   ID
	Team     ID
	Person   ID
	Name     string
	Email    string
	JoinedAt time.Time
}

// InvitationFor is how long an invitation's link is good.
const InvitationFor = 7 * 24 * time.Hour

// Invitation lets who has an e-mail address join a tenant, by a one-time link
// of which only the hash is kept.
type Invitation struct {
	ID        ID
	Tenant    ID
	Email     string      // lower case
	Grants    []RoleGrant // what they will have
	Teams     []ID        // that they will belong to
	InvitedBy ID          // person; "" for a program
	Inviter   string      // name
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Expired reports whether the link has ended.
func (i Invitation) Expired(now time.Time) bool { return !now.Before(i.ExpiresAt) }
