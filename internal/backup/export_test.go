package backup

import "os"

// Encode is encode.
func (m *Manifest) Encode(limit int) ([]byte, error) { return m.encode(limit) }

// Publish is publish, for a file that fails.
func Publish(f *os.File, path string) error { return publish(f, path) }
