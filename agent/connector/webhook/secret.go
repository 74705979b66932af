package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of secrets. The sizes are those of Standard Webhooks.
const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes
	maxSecret    = 64
	// maxSecrets is how many may be in force at a time, while one takes the place
	// of another.
	maxSecrets = 4
)

// secret is a key that messages are signed with.
type secret []byte

// readSecrets reads secrets with white space between them. What is wrong is
// named without it.
func readSecrets(text []byte) ([]secret, error) {
	words := bytes.Fields(text)
	var list []secret
	for i, word := range words {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(word), secretPrefix))
		if err != nil || !bytes.HasPrefix(word, []byte(secretPrefix)) || len(key) < minSecret || len(key) > maxSecret {
			return nil, badSecret(i + 1)
		}
		list = append(list, key)
	}
	if len(list) == 0 || len(list) > maxSecrets {
		return nil, badSecret(len(list))
	}
	return list, nil
}

func badSecret(nth int) error {
	return problem.New(problem.Usage, "webhook.secret", "secret", i18n.Args{"nth": nth, "least": minSecret, "most": maxSecret, "count": maxSecrets})
}

// sign gives the header webhook-signature of a message.
func sign(secrets []secret, id string, at time.Time, body []byte) string {
	words := make([]string, 0, len(secrets))
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s)
		fmt.Fprintf(mac, "%s.%s.", id, stamp(at))
		mac.Write(body)
		words = append(words, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(words, " ")
}

func stamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
