/** The Redis side of the cache: the tier that instances share and the bus that tells them of each other's invalidations. */
export type { RedisTierOptions } from './remote-tier.ts';
export { createRedisTier } from './remote-tier.ts';
export type { RedisServer } from './server-address.ts';
