package exporttest

import (
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
)

func TestMain(m *testing.M) { apptest.Main(m) }
