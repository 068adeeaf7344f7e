// adapterOver keeps a provider's state in a Map: the library's own memory
// adapter forgets all but the last thousand entries.
export function adapterOver(storage) {
  return class MapAdapter {
    constructor(model) {
      this.model = model;
    }

    key(id) {
      return `${this.model}:${id}`;
    }

    async upsert(id, payload) {
      storage.set(this.key(id), payload);
    }

    async find(id) {
      return storage.get(this.key(id));
    }

    async findByUid(uid) {
      return this.first((payload) => payload.uid === uid);
    }

    async findByUserCode(userCode) {
      return this.first((payload) => payload.userCode === userCode);
    }

    async consume(id) {
      storage.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
      storage.delete(this.key(id));
    }

    async revokeByGrantId(grantId) {
      for (const [key, payload] of storage) {
        if (payload.grantId === grantId) storage.delete(key);
      }
    }

    first(matches) {
      for (const [key, payload] of storage) {
        if (key.startsWith(`${this.model}:`) && matches(payload)) return payload;
      }
      return undefined;
    }
  };
}
