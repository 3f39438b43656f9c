// Command portico is all of Portico in one binary: `serve` runs every part in
// one process, `manager`, `portal`, `gateway` and `nats` run them apart, and the
// other commands work on the management API.
//
// What the parts need of one another is handed over here, by hand. The command
// holds no logic of its own but for the demo's.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the Makefile.
var version = "development"

type cli struct {
	Config kong.ConfigFlag `type:"existingfile" env:"PORTICO_CONFIG" placeholder:"FILE" help:"A JSON file with settings, below the environment and above the defaults."`

	Serve   serveCommand   `cmd:"" help:"Run everything in one process: manager, console, portal, gateway, database and bus." group:"Server:"`
	Init    initCommand    `cmd:"" help:"Write what an installation with its roles apart starts from: keys, and the NATS server's configuration." group:"Server:"`
	Manager managerCommand `cmd:"" help:"Run a manager: console, management API, and what delivers to the nodes." group:"Server:"`
	Portal  portalCommand  `cmd:"" help:"Run a developer portal." group:"Server:"`
	Gateway gatewayCommand `cmd:"" help:"Run a gateway node." group:"Server:"`
	NATS    natsCommand    `cmd:"" name:"nats" help:"Run a NATS server for the roles." group:"Server:"`
	Version versionCommand `cmd:"" help:"Print the version." group:"Server:"`

	ctlCommands
}

type versionCommand struct{}

func (versionCommand) Run() error {
	fmt.Println("portico", version)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run parses and runs a command, and returns the process's exit code.
func run(ctx context.Context, args []string) int {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("portico"), kong.Description("API management: gateway, developer portal, console."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(processIO()),
		kong.Configuration(configFile), kong.ConfigureHelp(helpOptions()))
	if err != nil {
		fmt.Fprintln(os.Stderr, "portico:", err)
		return exitUsage
	}
	command, err := parser.Parse(helped(args))
	if err != nil {
		parser.Errorf("%s", err)
		fmt.Fprintln(os.Stderr, "  'portico help' lists the commands, 'portico help COMMAND' says what one takes.")
		return exitUsage
	}
	return ctlExit(os.Stderr, command.Run())
}

// helpOptions keep the list of commands short: each tells of its own.
func helpOptions() kong.HelpOptions {
	return kong.HelpOptions{Compact: true, NoExpandSubcommands: true}
}

// helped reads 'portico help keys' as 'portico keys --help'.
func helped(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}
