/** The Redis side of the cache: the tier that instances share and the bus that tells them of each other's invalidations. */
export type { BreakerChange, BreakerControl, BreakerCounts, BreakerState } from '../cache/breaker-types.ts';
export type { BreakerOptions } from './breaker-options.ts';
export type { RedisTierOptions } from './remote-tier.ts';
export { createRedisTier } from './remote-tier.ts';
export type { RedisServer } from './server-address.ts';
