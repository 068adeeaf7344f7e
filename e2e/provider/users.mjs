// The people of the tests. Every one of them has the same password and the same
// second factor; tests that sign somebody out take a person of their own.
export const password = 'correct horse battery staple';
export const code = '314159';

const tenants = { contoso: ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'], fabrikam: ['grace', 'heidi', 'ivan', 'judy'] };

export const users = new Map(Object.entries(tenants).flatMap(
  ([tenant, names]) => names.map((name) => [name, { tenant }]),
));
