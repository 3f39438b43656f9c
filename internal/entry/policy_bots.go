package entry

// PolicyBots is the kind of BotsPolicy.
const PolicyBots PolicyKind = "bots"

// BotsPolicy is the configuration of the policy "bots": which programs may not
// call, by what they say of themselves in User-Agent.
type BotsPolicy struct {
	Mode    string   `json:"mode,omitempty" help:"Refuse such calls, or let them pass and count them." enum:"refuse,observe" default:"refuse"`
	Classes []string `json:"classes,omitempty" help:"Well-known programs: empty for those that say nothing, library for HTTP libraries and command lines, crawler for search engines and other robots, headless for browsers without a screen." enum:"empty,library,crawler,headless"`
	Deny    []string `json:"deny,omitempty" help:"Regular expressions (RE2) of further ones, found anywhere in User-Agent, such as (?i)scrapebot."`
	Allow   []string `json:"allow,omitempty" help:"Regular expressions (RE2) of those that may call all the same, such as ^partner-client/."`
}

// BotClasses returns the classes that a BotsPolicy may name.
func BotClasses() []string { return []string{"empty", "library", "crawler", "headless"} }

// Kind implements PolicyConfig.
func (*BotsPolicy) Kind() PolicyKind { return PolicyBots }
