//go:build !unix

package main

import "time"

// usage returns nothing: this system does not report it.
func usage() (cpu time.Duration, peak int64) { return 0, 0 }
