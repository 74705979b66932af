package service

import "testing"

// ownerOf has no meaning on Windows.
func ownerOf(*testing.T, string) int { return -1 }
