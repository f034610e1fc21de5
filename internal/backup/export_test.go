package backup

import "os"

// Publish is publish, for a file that fails.
func Publish(f *os.File, path string) error { return publish(f, path) }
