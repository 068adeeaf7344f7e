import { generateKeyPairSync, randomUUID } from 'node:crypto';

// Keys are the provider's signing keys, the one in use first.
export class Keys {
  #keys = [newKey()];

  // rotate begins to sign with a new key. With an overlap the old ones stay
  // published, as in a planned rotation; without, they are gone at once, as
  // after a theft.
  rotate(overlap) {
    this.#keys = [newKey(), ...(overlap ? this.#keys : [])];
  }

  set() {
    return { keys: this.#keys };
  }

  ids() {
    return this.#keys.map((key) => key.kid);
  }
}

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}
