// Package sso lets people sign in to the console with an account that a provider
// of OpenID Connect keeps: the authorization code flow with PKCE.
//
// It promises:
//
//   - An answer is believed once, from the browser that the question came from, and
//     from the provider of the settings: state, nonce, issuer, audience, key,
//     algorithm and times are each checked.
//   - Who somebody is, is issuer and subject; names and addresses of mail are for
//     showing. What somebody may do, is what the groups of this very sign-in give.
//   - Nothing waits for a provider that is away, but who signs in with it.
//   - Beyond this machine it speaks TLS alone. Every answer is bounded in size and
//     time, and so is what strangers can leave here.
//   - No secret and no token stands in a log, an argument or a database.
//
// Signatures and keys are the work of coreos/go-oidc, which only this package uses.
package sso
