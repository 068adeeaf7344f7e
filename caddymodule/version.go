package caddymodule

import "runtime/debug"

const modulePath = "curfew.dev/curfew"

// buildVersion is the module's version and the commit it was built from, as
// far as the Go toolchain recorded them.
func buildVersion() (version, revision string) {
	version, revision = "(devel)", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" {
			version = m.Version
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Path == modulePath {
			revision = s.Value
		}
	}
	return version, revision
}
