// An OpenID provider as a company would run it, in one process and on loopback
// only: oidc-provider, which is certified, with a sign-in page of its own.
//
//   node provider.mjs [--port <n>] [--clock-offset-ms <n>] [--client <JSON>]…
//     [--pairwise] [--no-auth-time] [--ignore-max-age]
//
// The first line on stdout is JSON: {"issuer", "control"}. The process ends
// when its stdin does, so that it can't outlive the test that started it.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import { controlOf } from './control.mjs';
import { Keys } from './keys.mjs';
import { buildProvider } from './oidc.mjs';
import { signInPage } from './signin.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'clock-offset-ms': { type: 'string', default: '0' },
    // Further clients, as the library's metadata.
    client: { type: 'string', multiple: true, default: [] },
    // What real providers do: another sub for each client, with oid for the person;
    // ID tokens without auth_time; a sign-in that is never asked for again because
    // of its age.
    pairwise: { type: 'boolean', default: false },
    'no-auth-time': { type: 'boolean', default: false },
    'ignore-max-age': { type: 'boolean', default: false },
  },
});

const offset = Number(options['clock-offset-ms']);
const clock = Date.now.bind(Date);
Date.now = () => clock() + offset;

const server = await listen(createServer(), Number(options.port));
const issuer = `http://127.0.0.1:${server.address().port}`;
const keys = new Keys();

// Nothing can change the keys of a running Provider, so a rotation builds
// another one over the same storage: sessions, grants and refresh tokens stay.
let provider;
let answer;
function build() {
  provider = buildProvider(issuer, keys.set(), {
    clients: options.client.map((text) => JSON.parse(text)),
    pairwise: options.pairwise,
  });
  answer = provider.callback();
}
build();

// The library puts auth_time into ID tokens where max_age or prompt asks for it,
// and for clients with require_auth_time.
const unheard = options['no-auth-time'] ? ['max_age', 'prompt'] : options['ignore-max-age'] ? ['max_age'] : [];
function withoutUnheard(url) {
  const { pathname, searchParams } = new URL(url, issuer);
  if (unheard.length === 0 || pathname !== '/auth') return url;
  unheard.forEach((name) => searchParams.delete(name));
  return `${pathname}?${searchParams}`;
}

let down = false;
const page = signInPage(() => provider);
server.on('request', (request, response) => {
  if (down) {
    response.writeHead(503).end();
  } else if (request.url.startsWith('/interaction/')) {
    page(request, response);
  } else {
    request.url = withoutUnheard(request.url);
    answer(request, response);
  }
});

const control = await listen(createServer(controlOf({
  rotate(overlap) {
    keys.rotate(overlap);
    build();
    return { kids: keys.ids() };
  },
  outage(begins) {
    down = begins;
    return { down };
  },
})), 0);

process.stdin.resume().on('end', () => process.exit(0));
console.log(JSON.stringify({ issuer, control: `http://127.0.0.1:${control.address().port}` }));

async function listen(s, port) {
  s.listen(port, '127.0.0.1');
  await once(s, 'listening');
  return s;
}
