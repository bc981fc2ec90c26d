/**
 * The two-tier engine, for any kind of record: process memory in front of a shared tier in front of a source, with one load per key and no old value ever put back.
 */
export { createCache } from './cache.ts';
export type { Cache, CacheEvents, CacheReuse, Invalidation, LookupOptions, SetOptions, WarmOptions, WarmResult } from './cache-types.ts';
export type { CacheOptions, ValueTraits } from './options.ts';
export type { Absent, Found, Hit, InvalidationState, Loaded, Lookup, StaleHit, Tier, Unavailable } from './lookup.ts';
export type { Inspection, TierInspection } from './inspect.ts';
export type { BatchSource, LoadContext, LoadFunction, Source } from './source.ts';
export type { CacheCounts, CacheStats } from './stats.ts';
export type { AdaptiveTtlOptions, TtlInput, TtlPolicy } from './ttl.ts';
export { adaptiveTtl, fixedTtl } from './ttl.ts';
export type { AnsweredBy, Recorder, RecorderSnapshot } from './recorder.ts';
export { noRecorder } from './recorder.ts';
export type { HistogramSnapshot } from './latency.ts';
export { quantile } from './latency.ts';
export type { Span, SpanFields, SpanName, Tracer } from './tracer.ts';
export { noRemoteTier } from './no-remote-tier.ts';
export type { PopularKey } from './popular.ts';
export type { Hot } from './hot.ts';
export type { HeavyHitter } from './heavy-hitters.ts';
export type { ReuseCounts } from './reuse-histogram.ts';
export { MissRatioCurve } from './reuse-histogram.ts';
export type { ReuseSamplerOptions } from './reuse-sampler.ts';
export { ReuseSampler } from './reuse-sampler.ts';
export type { RemoteTier } from './remote-tier.ts';
export { ForebayError } from '../core/errors.ts';
