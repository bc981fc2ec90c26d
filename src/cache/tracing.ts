import type { LoadResult } from './loads.ts';
import type { Lookup } from './lookup.ts';
import type { RemoteRead } from './remote-tier.ts';
import type { Span } from './tracer.ts';

/** Ends the span of a read with what it came to. */
export function endRead<V>(span: Span, cache: string, lookup: Lookup<V>): void {
  if (lookup.outcome === 'unavailable') span.end({ cache, outcome: 'unavailable' }, lookup.error);
  else if (lookup.outcome === 'loaded') span.end({ cache, outcome: 'loaded', tier: 'source', joined: lookup.joined });
  else span.end({ cache, outcome: lookup.outcome, tier: lookup.tier });
}

export function endRemote(span: Span, cache: string, read: RemoteRead): void {
  if (read.outcome === 'unavailable') span.end({ cache, outcome: read.outcome, reason: read.reason });
  else span.end({ cache, outcome: read.outcome });
}

export function endLoad(span: Span, cache: string, loaded: LoadResult): void {
  if (loaded.ok) span.end({ cache, outcome: loaded.json === null ? 'absent' : 'loaded' });
  else span.end({ cache, outcome: 'failed' }, loaded.error);
}
