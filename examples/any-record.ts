/**
 * A cache of one's own records: `createCache` with a source of any kind, Redis as the tier that instances share.
 * Run it with the URL of a Redis: `node examples/any-record.ts redis://127.0.0.1:6379`
 */
import { createCache } from '../src/cache/index.ts';
import { createRedisTier } from '../src/redis/index.ts';

interface Country {
  readonly name: string;
  readonly continent: string;
  readonly version: number;
}

const database = new Map<string, Country>([
  ['is', { name: 'Iceland', continent: 'Europe', version: 1 }],
  ['nz', { name: 'New Zealand', continent: 'Oceania', version: 1 }],
]);

const remote = createRedisTier({ url: process.argv[2] ?? 'redis://127.0.0.1:6379' });
const countries = createCache<string, Country>({
  name: 'country',
  remote,
  source: { loadMany: (codes) => Promise.resolve(new Map(codes.map((code) => [code, database.get(code) ?? null]))) },
  describe: ({ version, continent }) => ({ version, tags: [continent] }),
});
await countries.start();

const tell = async (code: string): Promise<void> => {
  const answer = await countries.lookup(code);
  const tier = answer.outcome === 'unavailable' ? answer.error.message : answer.tier;
  const name = 'value' in answer ? answer.value.name : 'no such country';
  console.log(`${code}: ${name} (${answer.outcome}, ${tier})`);
};

await tell('is'); // loaded, source
await tell('is'); // hit, local
await tell('xx'); // absent, source

database.set('is', { name: 'Ísland', continent: 'Europe', version: 2 });
console.log('invalidation:', await countries.invalidate({ tags: ['Europe'] })); // applied, wherever entries are
await tell('is'); // loaded again: Ísland

await countries.close();
await remote.close();
