import { createHash, X509Certificate } from 'node:crypto';
import { request } from 'node:https';

import Provider, { interactionPolicy } from 'oidc-provider';

import { adapterOver } from './adapter.mjs';
import { users } from './users.mjs';

const audience = 'https://api.example.test';
const scopes = 'openid offline_access billing:write';

// One storage for every Provider that this process builds.
const storage = new Map();

// Which device a browser session said it runs on: the provider, not the client,
// vouches for it in the access token.
const devices = new Map();

export function buildProvider(issuer, jwks, { clients, pairwise }) {
  const provider = new Provider(issuer, {
    adapter: adapterOver(storage),
    jwks,
    clients: [
      ...['web', 'mobile', 'xbox-console'].map((id) => client(id, issuer)),
      { ...client('certified', issuer), tls_client_certificate_bound_access_tokens: true },
      ...clients,
    ],
    // Where sub is another for each client, oid is the person in all tokens.
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: (ctx, accountId, { clientId }) => createHash('sha256').update(`${clientId} ${accountId}`).digest('hex'),
    claims: { openid: ['sub', ...(pairwise ? ['oid'] : [])] },
    conformIdTokenClaims: !pairwise,
    scopes: scopes.split(' '),
    acrValues: ['pwd', 'mfa'],
    pkce: { required: () => true },
    cookies: { keys: ['only on loopback, only for tests'] },
    findAccount: (ctx, id) => (users.has(id) ? { accountId: id, claims: () => ({ sub: id, oid: id }) } : undefined),
    interactions: { url: (ctx, { uid }) => `/interaction/${uid}`, policy: policy() },
    loadExistingGrant,
    extraTokenClaims,
    // Refresh tokens live on when the browser's session ends. Real providers do
    // this, and it is what makes an iat-only revocation useless.
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      // Access tokens are bound to the key of a DPoP proof that comes with the
      // request for them, and for one client to its certificate. The TLS of that
      // ends in front of this process, so to say.
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 'only for tests') },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: certificateOf },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ audience, scope: scopes, accessTokenFormat: 'jwt', accessTokenTTL: 3600 }),
      },
    },
    fetch: loopbackOnly,
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

function client(id, issuer) {
  return {
    client_id: id,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`https://${id}.example.test/callback`],
    // It is these two that put a sid into tokens.
    backchannel_logout_uri: `${issuer}/nowhere`,
    backchannel_logout_session_required: true,
  };
}

function certificateOf(ctx) {
  const der = ctx.get('x-client-certificate');
  return der ? new X509Certificate(Buffer.from(der, 'base64')) : undefined;
}

// policy asks for another sign-in when the session's is weaker than acr_values
// (RFC 9470 section 5).
function policy() {
  const prompts = interactionPolicy.base();
  prompts.get('login').checks.add(new interactionPolicy.Check(
    'acr_values',
    'a stronger sign-in was asked for',
    ({ oidc }) => {
      const wanted = oidc.params.acr_values?.split(' ') ?? [];
      const enough = wanted.length === 0 || wanted.includes(oidc.session.acr) || oidc.result?.login;
      return enough ? interactionPolicy.Check.NO_NEED_TO_PROMPT : interactionPolicy.Check.REQUEST_PROMPT;
    },
  ));
  return prompts;
}

// loadExistingGrant consents to everything, and notes the device of a browser
// that has just signed in: only here are both known.
async function loadExistingGrant({ oidc }) {
  if (oidc.result?.login?.device) {
    devices.set(oidc.session.uid, oidc.result.login.device);
  }
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope(scopes);
  grant.addResourceScope(audience, scopes);
  await grant.save();
  return grant;
}

// extraTokenClaims puts the sign-in that a token stems from into it: the
// library itself does so for ID tokens only (RFC 9068 section 2.2.1).
function extraTokenClaims({ oidc }, token) {
  const { acr, amr, authTime } = oidc.entities.AuthorizationCode ?? oidc.entities.RefreshToken;
  return {
    sid: token.sid,
    acr,
    amr,
    auth_time: authTime,
    device_id: devices.get(token.sessionUid),
    tid: users.get(token.accountId).tenant,
    oid: token.accountId,
  };
}

function loopbackOnly(url, { dispatcher, ...rest }) {
  const { hostname } = new URL(url);
  if (hostname.endsWith('.example.test')) {
    return toSite(url, rest);
  }
  if (hostname !== '127.0.0.1') {
    throw new Error('this provider talks to loopback only');
  }
  return fetch(url, rest);
}

// toSite asks a site of the tests, all of which are on this machine. Its certificate
// is of the test.
function toSite(url, { method, headers, body }) {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      rejectUnauthorized: false,
      lookup: (name, options, done) => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)),
    }, (incoming) => {
      incoming.resume().on('end', () => resolve(new Response(null, { status: incoming.statusCode })));
    });
    outgoing.on('error', reject).end(body && String(body));
  });
}
