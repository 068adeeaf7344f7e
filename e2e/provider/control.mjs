// controlOf is the test's hand on the provider: POST /<action>?<parameters>.
export function controlOf({ rotate, outage }) {
  const actions = {
    '/rotate': (query) => rotate(query.get('overlap') === 'true'),
    '/outage': (query) => outage(query.get('begins') === 'true'),
  };
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://control');
    const action = actions[pathname];
    if (request.method !== 'POST' || !action) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(action(searchParams)));
  };
}
