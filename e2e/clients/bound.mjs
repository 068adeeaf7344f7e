// Clients that hold bound tokens, by openid-client and oauth4webapi, and thieves
// that make their own proofs by jose.
//
//   node bound.mjs '{"issuer","app","nonce","mutual","ca","own","other","password"}'
//
// Each line on stdout is JSON: {"name","status","scheme"?,"error"?}, the last one
// {"name":"end","jkt","x5t"}. The test that started it knows what is right.
import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import * as undici from 'undici';

import { signIn } from './signin.mjs';

const given = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true }; // loopback

function say(line) {
  console.log(JSON.stringify(line));
}

// challengeOf reads a challenge with the parser of oauth4webapi.
async function told(name, request) {
  try {
    const response = await request;
    const challenges = response.status === 401 ? response.headers.get('www-authenticate') : undefined;
    say({ name, status: response.status, nonce: response.headers.has('dpop-nonce'), challenge: challenges });
    await response.body?.cancel();
  } catch (error) {
    const [challenge] = Array.isArray(error.cause) ? error.cause : [];
    if (!challenge) {
      say({ name, status: error.status ?? 0, error: String(error) });
      return;
    }
    say({ name, status: error.status, scheme: challenge.scheme, ...challenge.parameters, challenges: error.cause.length });
    await error.response.body?.cancel();
  }
}

// grant signs in by openid-client, with a DPoP key or a certificate.
async function grant(id, keys, customFetch) {
  const config = await client.discovery(new URL(given.issuer), id, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
    ...(customFetch ? { [client.customFetch]: customFetch } : {}),
  });
  const redirect = `https://${id}.example.test/callback`;
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const options = keys ? { DPoP: client.getDPoPHandle(config, keys) } : undefined;
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: 'openid billing:write', state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  });
  const back = await signIn(url, redirect, { user: given.user, password: given.password, device: '' });
  const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState }, undefined, options);
  return { config, tokens, options };
}

const keys = await client.randomDPoPKeyPair('ES256', { extractable: true });
const { config, tokens, options } = await grant('web', keys);
const token = tokens.access_token;
const app = (path) => new URL(path, given.app);

// Good proofs of both libraries.
await told('openid-client', client.fetchProtectedResource(config, token, app('/'), 'GET', undefined, undefined, options));
await told('openid-client again', client.fetchProtectedResource(config, token, app('/orders?page=2'), 'POST', 'body', undefined, options));
const as = { issuer: given.issuer };
const handle = oauth.DPoP({ client_id: 'web' }, keys);
await told('oauth4webapi', oauth.protectedResourceRequest(token, 'GET', app('/'), undefined, undefined, { DPoP: handle, ...insecure }));
await told('oauth4webapi, step-up', oauth.protectedResourceRequest(token, 'GET', app('/billing'), undefined, undefined, { DPoP: handle, ...insecure }));
await told('oauth4webapi, without a proof', oauth.protectedResourceRequest(token, 'GET', app('/'), undefined, undefined, insecure));
await told('nothing', fetch(app('/')));
for (const alg of ['Ed25519', 'PS256', 'RS256', 'ES384', 'ES512']) {
  let pair;
  try {
    pair = await client.randomDPoPKeyPair(alg);
  } catch {
    continue; // this Node can't make it
  }
  const other = await grant('web', pair).catch(() => undefined);
  if (other) { // the provider takes it
    await told(`alg ${alg}`, client.fetchProtectedResource(other.config, other.tokens.access_token, app('/'), 'GET', undefined, undefined, other.options));
  }
}

// A route that asks for nonces: the client is asked, repeats, and goes on with it.
await told('nonce, openid-client', client.fetchProtectedResource(config, token, new URL('/', given.nonce), 'GET', undefined, undefined, options));
const nonced = oauth.DPoP({ client_id: 'web' }, keys);
const ask = () => oauth.protectedResourceRequest(token, 'GET', new URL('/', given.nonce), undefined, undefined, { DPoP: nonced, ...insecure });
await told('nonce asked', ask());
await told('nonce given', ask());
await told('nonce repeated', ask());

// Proofs that a thief, or a client with a fault, would send.
const jwk = await jose.exportJWK(keys.publicKey);
const secret = await jose.exportJWK(keys.privateKey);
const stranger = await jose.generateKeyPair('ES256');
const now = () => Math.floor(Date.now() / 1000);
const hash = (text) => createHash('sha256').update(text).digest('base64url');
async function proof({ claims = {}, header = {}, key = keys.privateKey } = {}) {
  const payload = { jti: randomUUID(), htm: 'GET', htu: app('/').href, iat: now(), ath: hash(token), ...claims };
  return new jose.SignJWT(payload).setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...header }).sign(key);
}
const send = (value, scheme = 'DPoP') => fetch(app('/'), { headers: { authorization: `${scheme} ${token}`, ...(value && { dpop: value }) } });
const used = await proof();
await told('jose', send(used));
await told('replayed', send(used));
await told('missing', send(undefined));
await told('wrong method', send(await proof({ claims: { htm: 'POST' } })));
await told('wrong URL', send(await proof({ claims: { htu: app('/other').href } })));
await told('wrong host', send(await proof({ claims: { htu: 'https://evil.example.test/' } })));
await told('wrong key', send(await proof({ key: stranger.privateKey, header: { jwk: await jose.exportJWK(stranger.publicKey) } })));
await told('wrong signature', send(await proof({ key: stranger.privateKey })));
await told('wrong hash', send(await proof({ claims: { ath: hash('another token') } })));
await told('no hash', send(await proof({ claims: { ath: undefined } })));
await told('stale', send(await proof({ claims: { iat: now() - 120 } })));
await told('future', send(await proof({ claims: { iat: now() + 120 } })));
await told('private key members', send(await proof({ header: { jwk: secret } })));
await told('typ', send(await proof({ header: { typ: 'JWT' } })));
await told('two proofs', send(`${await proof()}, ${await proof()}`));
await told('bearer', send(undefined, 'Bearer'));
await told('bearer with a proof', send(await proof(), 'Bearer'));

// Certificates.
const own = readFileSync(given.own.cert);
const der = new X509Certificate(own).raw;
const certified = await grant('certified', undefined, (url, init) =>
  fetch(url, { ...init, headers: { ...init.headers, 'x-client-certificate': der.toString('base64') } }));
async function over(name, pair, bearer = certified.tokens.access_token) {
  const ca = readFileSync(given.ca);
  const dispatcher = new undici.Agent({ connect: { ca, ...(pair && { cert: readFileSync(pair.cert), key: readFileSync(pair.key) }) } });
  const customFetch = (url, init) => undici.fetch(url, { ...init, dispatcher });
  await told(name, oauth.protectedResourceRequest(bearer, 'GET', new URL('/', given.mutual), undefined, undefined, { [oauth.customFetch]: customFetch }));
  await dispatcher.close();
}
await over('right certificate', given.own);
await over('another certificate', given.other);
await over('no certificate', undefined);
await told('certificate-bound over plain HTTP', oauth.protectedResourceRequest(certified.tokens.access_token, 'GET', app('/'), undefined, undefined, insecure));

say({ name: 'ready', jkt: await jose.calculateJwkThumbprint(jwk), x5t: createHash('sha256').update(der).digest('base64url') });

// The test revokes the key, and then says so.
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'cut') break;
}
await told('cut key', client.fetchProtectedResource(config, token, app('/'), 'GET', undefined, undefined, options));
const again = await grant('web', keys); // a new sign-in with the same key
await told('cut key after a new sign-in', client.fetchProtectedResource(again.config, again.tokens.access_token, app('/'), 'GET', undefined, undefined, again.options));
const fresh = await grant('web', await client.randomDPoPKeyPair('ES256'));
await told('a new key', client.fetchProtectedResource(fresh.config, fresh.tokens.access_token, app('/'), 'GET', undefined, undefined, fresh.options));
await over('cut certificate', given.own);
say({ name: 'end' });
process.exit(0);
