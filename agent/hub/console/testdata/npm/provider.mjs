// An OpenID Connect provider of another maker, with its own pages for signing in
// and consent. Who signs in as NAME+GROUP is in that group. Prints its address.
import http from 'node:http';
import Provider from 'oidc-provider';

const [back, after, secret] = process.argv.slice(2);
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'tram-hub', client_secret: secret, redirect_uris: [back], post_logout_redirect_uris: [after] }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'] },
    cookies: { keys: ['of a test'] },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    pkce: { required: () => true },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `Trần Thị ${id.split('+')[0]}`, preferred_username: `${id.split('+')[0]}@tinh.gov.vn`, groups: id.split('+').slice(1) }),
    }),
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
