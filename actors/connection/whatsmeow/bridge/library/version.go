// Returns the version of whatsmeow that the program was built with.

package library

import "runtime/debug"

const module = "go.mau.fi/whatsmeow"

// Version returns the version of whatsmeow that the program was built with; "unknown" where the build does not tell.
func Version() string {
	if built, ok := debug.ReadBuildInfo(); ok {
		for _, one := range built.Deps {
			if one.Path == module {
				return one.Version
			}
		}
	}
	return "unknown"
}
