package entry

// The subjects of the bus, by the slug of the environment and the uuid of the
// node. Slugs and uuids are checked where they are made and hold no dot.

// Bucket returns the name of an environment's key-value bucket.
func Bucket(env string) string { return "portico-" + env }

// Objects returns the name of an environment's object store.
func Objects(env string) string { return "portico-objects-" + env }

// StatusSubject returns where a node reports its Status.
func StatusSubject(env, node string) string { return "status." + env + "." + node }

// SeenSubject returns where a node reports which secrets it has taken.
func SeenSubject(env, node string) string { return "seen." + env + "." + node }

// ExplainSubject returns where a node reports an Explanation.
func ExplainSubject(env, node string) string { return "explain." + env + "." + node }

// TargetsSubject returns where a node says how Targets are.
func TargetsSubject(env, node string) string { return "targets." + env + "." + node }

// UsageStream returns the name of the stream that holds what an environment's
// nodes have sent of their usage and the ledger does not have yet.
func UsageStream(env string) string { return "portico-usage-" + env }

// UsageSubject returns where a node sends its Usage.
func UsageSubject(env, node string) string { return "usage." + env + "." + node }

// AckSubject returns where a node hears a UsageAck.
func AckSubject(env, node string) string { return "ack." + env + "." + node }

// EveryNode stands for a node's uuid where all of an environment are meant.
const EveryNode = "all"

// CommandSubject returns where a node hears a Command; node EveryNode is every
// node of the environment.
func CommandSubject(env, node string) string { return "command." + env + "." + node }
