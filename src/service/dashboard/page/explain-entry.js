// What the service knows of one file, in words. Pure: the same answer gives the same words.
import { bytes, count, duration } from './format.js';

/**
 * @typedef {{ state: 'none' } | { state: 'unavailable', reason: string } | {
 *   state: 'fresh' | 'stale' | 'invalidated', absent: boolean, version: number, ageMs: number, ttlLeftMs: number, bytes: number, tags: string[]
 * }} TierInspection
 * @typedef {{
 *   key: string, local: TierInspection, remote: TierInspection,
 *   flight: { ageMs: number, waiters: number, tainted: boolean } | null,
 *   lease: { holder: string, leftMs: number } | null
 * }} Inspection
 */

/** @type {Record<string, string>} */
const REASONS = {
  off: 'there is none, by configuration',
  disconnected: 'it cannot be reached',
  breaker: 'its breaker lets no call pass, since it failed before or is isolated by hand',
  budget: 'it did not answer in time',
  overload: 'too many calls wait for it',
  unverified: 'it has not heard of every change yet, so nothing in it counts',
  error: 'it answered with an error',
  closed: 'the service is closing',
  damaged: 'the entry cannot be read',
};

/**
 * What a read would get now, and then what each tier holds and why it would be served or refused.
 * @param {Inspection} inspection
 * @param {number} maxStalenessMs
 * @returns {{ headline: string, lines: string[] }}
 */
export function explainEntry({ local, remote, flight, lease }, maxStalenessMs) {
  const lines = [tierLine('Process memory', local, maxStalenessMs), tierLine('Redis', remote, maxStalenessMs)];
  if (flight !== null) {
    const waiting = `${count(flight.waiters)} ${flight.waiters === 1 ? 'caller waits' : 'callers wait'}`;
    const tainted = flight.tainted ? ' A change met it: what it brings is given to those who wait and stored nowhere.' : '';
    lines.push(`This process has been loading it for ${duration(flight.ageMs)}; ${waiting}.${tainted}`);
  }
  if (lease !== null)
    lines.push(`Somebody may fill it in Redis for ${duration(lease.leftMs)} more; others wait for that, or load without storing.`);
  return { headline: headline(local, remote, flight !== null), lines };
}

/** @param {TierInspection} local @param {TierInspection} remote @param {boolean} isLoading */
function headline(local, remote, isLoading) {
  const [tier, who] = local.state === 'fresh' ? [local, 'process memory'] : [remote, 'Redis'];
  if (tier.state === 'fresh') {
    const what = tier.absent ? 'would say that there is no such file' : `would answer with version ${tier.version}`;
    return `A read now: ${who} ${what}.`;
  }
  return `A read now: no cache would answer, the database would be asked${isLoading ? '; it is already' : ''}.`;
}

/** @param {string} name @param {TierInspection} tier @param {number} maxStalenessMs */
function tierLine(name, tier, maxStalenessMs) {
  if (tier.state === 'none') return `${name} holds nothing of it.`;
  if (tier.state === 'unavailable') return `${name} could not be asked: ${REASONS[tier.reason] ?? tier.reason}.`;
  const what = tier.absent ? 'that there is no such file' : `version ${tier.version}`;
  const held = `${name} holds ${what}, loaded ${duration(tier.ageMs)} ago (${bytes(tier.bytes)})`;
  return `${held}. ${fate(tier, maxStalenessMs)}`;
}

/** @param {Extract<TierInspection, { ttlLeftMs: number }>} tier @param {number} maxStalenessMs */
function fate({ state, ttlLeftMs, ageMs }, maxStalenessMs) {
  if (state === 'fresh') {
    const ttl = `its TTL is ${duration(ageMs + ttlLeftMs)}`;
    return `It may be served for ${duration(ttlLeftMs)} more, unless the file changes: ${ttl}.`;
  }
  if (state === 'invalidated') return 'It would be refused: one of its tags, or everything, was invalidated after it was loaded.';
  if (ttlLeftMs <= 0)
    return `It would be refused: its TTL ended ${duration(-ttlLeftMs)} ago. Only when the database is slow or fails might it still be served.`;
  return `It would be refused: it is not proven that nothing has changed in the last ${duration(maxStalenessMs)}.`;
}
