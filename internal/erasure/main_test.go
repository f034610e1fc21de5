package erasure_test

import (
	"testing"

	"github.com/worklogdev/worklog/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
