// The certified oidc-provider as a site would run it, with its own login pages.
// Prints its address on the first line; what it is asked is written to standard error.
// CC_OIDC: JSON with the deviations of a test: {"accounts": {...}, "refresh": true, ...}
import http from 'node:http';
import { Provider } from 'oidc-provider';

const options = JSON.parse(process.env.CC_OIDC ?? '{}');
const accounts = options.accounts ?? {
  clara: {
    preferred_username: 'clara', name: 'Clara Müller', projects: ['fusion'],
    realm_access: { roles: ['manager', 'offline_access'] },
    resource_access: { monitoring: { roles: ['support', 'api'] } },
  },
};

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'cc', client_secret: 'a secret/with+signs', application_type: 'native',
        redirect_uris: ['http://localhost/oidc/callback', 'http://127.0.0.1/oidc/callback', ...(options.redirectUris ?? [])],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        post_logout_redirect_uris: [],
      },
      {
        client_id: 'public', token_endpoint_auth_method: 'none', application_type: 'native',
        redirect_uris: ['http://localhost/oidc/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
      ...(options.clients ?? []),
    ],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username', 'projects'],
      roles: ['realm_access', 'resource_access'],
    },
    scopes: ['openid', 'offline_access', 'profile', 'roles'],
    // Roles and projects are in the ID token, as a site has to set it.
    conformIdTokenClaims: options.conformIdTokenClaims ?? false,
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: options.device ?? true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      userinfo: { enabled: true },
      clientCredentials: { enabled: true },
    },
    ttl: { AccessToken: 600, IdToken: 600, DeviceCode: 600, Session: 600, Grant: 600, Interaction: 600, RefreshToken: 600 },
    cookies: { keys: ['a key for tests'] },
    pkce: { required: () => true },
    async findAccount(ctx, sub) {
      return { accountId: sub, async claims() { return { sub, ...(accounts[sub] ?? { preferred_username: sub }) }; } };
    },
  });
  provider.on('server_error', (ctx, error) => console.error('server_error', error));
  const handle = provider.callback();
  server.on('request', (request, response) => {
    console.error(request.method, request.url.split('?')[0]);
    handle(request, response);
  });
  console.log(issuer);
});
process.stdin.on('end', () => process.exit(0)).resume();
