package storagetest_test

import (
	"testing"

	"tram/storage/storagetest"
)

func TestMemory(t *testing.T) {
	storagetest.Queue(t, func(*testing.T) storagetest.Subject { return storagetest.NewMemory() })
}
