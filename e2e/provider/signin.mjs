import { text } from 'node:stream/consumers';

import { code, password, users } from './users.mjs';

// signInPage answers /interaction/<uid>: a form for a person, or a test that
// plays one. A right code makes the sign-in a stronger one.
export function signInPage(provider) {
  return async (request, response) => {
    try {
      const { prompt } = await provider().interactionDetails(request, response);
      if (request.method !== 'POST') {
        show(response, 200, prompt);
        return;
      }
      const form = new URLSearchParams(await text(request));
      const login = judge(form);
      if (!login) {
        show(response, 401, prompt);
        return;
      }
      await provider().interactionFinished(request, response, { login });
    } catch (error) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(`${error.name}: ${error.message}\n`);
    }
  };
}

function judge(form) {
  const accountId = form.get('user');
  if (!users.has(accountId) || form.get('password') !== password) return undefined;
  const strong = form.get('code') === code;
  if (form.get('code') && !strong) return undefined;
  return {
    accountId,
    acr: strong ? 'mfa' : 'pwd',
    amr: strong ? ['pwd', 'otp', 'mfa'] : ['pwd'],
    device: form.get('device') || undefined,
  };
}

function show(response, status, prompt) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sign in</title>
<main>
<h1>Sign in</h1>
<p>${status === 200 ? `Asked for because of: ${prompt.reasons.join(', ')}` : 'That was not right.'}</p>
<form method="post" action="">
<label>User <input name="user" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<label>Code <input name="code" inputmode="numeric" autocomplete="one-time-code"></label>
<label>Device <input name="device"></label>
<button>Sign in</button>
</form>
</main>
</html>
`);
}
