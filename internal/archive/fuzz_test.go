package archive

import (
	"testing"

	"github.com/worklogdev/worklog/internal/store"
)

// Whatever lies in an object: it is read as entries or it is damaged, and nothing panics.
func FuzzDecode(f *testing.F) {
	good, err := encode([]store.Payload{{ID: "a", Details: "details", Metadata: []byte(`{"a":1}`)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{})
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := decode(data)
		if err != nil && err != ErrDamaged {
			t.Errorf("error %v", err)
		}
		for id := range lines {
			if id == "" {
				t.Error("an entry without an id")
			}
		}
	})
}
