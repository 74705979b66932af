package s3

// FakeVersion is the version of github.com/johannesboyne/gofakes3 that .ci/tools builds:
// an S3 server of another maker.
const FakeVersion = "v1.2.0"
