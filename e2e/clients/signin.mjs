// Signs a person in at the provider of the tests, as a browser would: it follows
// redirects, keeps cookies, and fills in the form.
export async function signIn(url, redirect, { user, password, device }) {
  const jar = new Map();
  let request = { method: 'GET' };
  for (let steps = 0; steps < 20; steps++) {
    if (url.href.startsWith(redirect)) return url;
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...request, redirect: 'manual', headers: { cookie, ...request.headers } });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    await response.body?.cancel();
    const next = response.headers.get('location');
    if (next) {
      url = new URL(next, url);
      request = { method: 'GET' };
    } else if (response.ok) {
      request = {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ user, password, device }).toString(),
      };
    } else {
      throw new Error(`signing in: ${response.status} at ${url.pathname}`);
    }
  }
  throw new Error('signing in: too many redirects');
}
