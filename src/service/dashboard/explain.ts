import type { Explanation, Facts } from './snapshot.ts';

interface Cause {
  readonly level: 'warning' | 'critical';
  readonly text: string;
}

/** Above so many calm means the database's load is worth a word. */
const BUSY = 1.5;
/** A read that takes longer is felt, in ms. */
const FELT_MS = 250;

/**
 * One or two sentences for whoever opens the page at night: what is broken and what answers instead; whether users notice, and what it costs. Pure: the same facts give the same words.
 * Causes stand in order of weight, and one that follows from another is not told.
 */
export function explain(facts: Facts): Explanation {
  const causes = [databaseCause(facts), freshnessCause(facts), overloadCause(facts), auditCause(facts), redisCause(facts)]
    .concat(slowCause(facts), recoveryCause(facts), outboxCause(facts))
    .filter((cause) => cause !== null);
  const users = usersOf(facts);
  if (causes.length === 0 && !users.noticed) return { level: 'ok', sentence: allWell(facts) };
  const told = causes.length === 0 ? ['Nothing is known to be broken, and yet reads are slow or fail.'] : causes.map(({ text }) => text);
  const isCritical = users.failing || causes.some(({ level }) => level === 'critical');
  return { level: isCritical ? 'critical' : 'warning', sentence: [...told, users.text].join(' ') };
}

function allWell({ staleness, redis, reads }: Facts): string {
  const served = reads.all === 0 ? 'nobody reads at the moment' : 'reads are answered within their budget';
  const bound = `nothing that is served is older than ${duration(staleness.maxMs)}`;
  const without = redis.state === 'off' ? ' There is no Redis here, by configuration.' : '';
  const setting = redis.findings.length === 0 ? '' : ' A setting of Redis wants attention: see the events.';
  return `Nothing is broken: ${served}, and ${bound}.${without}${setting}`;
}

function databaseCause({ database, redis, reads, staleness }: Facts): Cause | null {
  if (database.state !== 'down') return null;
  const both = redis.state === 'down' ? 'Neither the database nor Redis answers' : 'The database does not answer';
  const served =
    reads.stale > 0
      ? 'reads are answered by older values, marked stale, where a cache has them'
      : `caches serve what is proven to be no older than ${duration(staleness.maxMs)}, and then no read is answered`;
  return { level: 'critical', text: `${both}: ${served}. Writes fail.` };
}

function freshnessCause({ database, staleness }: Facts): Cause | null {
  if (database.state === 'down') return null;
  if (staleness.ms === null) return { level: 'warning', text: 'Nothing is proven yet, so the caches are not used: the database answers.' };
  if (staleness.ms <= staleness.maxMs) return null;
  return {
    level: 'critical',
    text: `The staleness is beyond its bound (${duration(staleness.ms)}, the bound is ${duration(staleness.maxMs)}): the caches are not used, and every read goes to the database.`,
  };
}

function overloadCause({ reads, database }: Facts): Cause | null {
  if (reads.refused === 0) return null;
  return {
    level: 'critical',
    text: `The database is overloaded: ${count(database.queued)} loads wait for it, and ${perSecond(reads.refused)} are refused.`,
  };
}

function auditCause({ alerts }: Facts): Cause | null {
  if (!alerts.some(({ alert }) => alert === 'stale_found')) return null;
  return {
    level: 'critical',
    text: 'The auditor found a record that was served though the database had long had another: somebody from outside changes rows past the triggers, or the promise is broken. Users may have been given an old value.',
  };
}

function redisCause(facts: Facts): Cause | null {
  const { redis, database } = facts;
  if (redis.state === 'off' || (database.state === 'down' && redis.state === 'down')) return null;
  const warn = (text: string): Cause => ({ level: 'warning', text });
  const instead =
    database.state === 'down' ? 'process memory alone is left' : `what process memory has not is answered by the database${inTime(facts)}`;
  if (redis.breaker?.state === 'isolated') return warn(`Redis is isolated by an operator, until it is restored: ${instead}.`);
  const lost = redis.nodes.filter(({ state }) => state === 'down');
  if (redis.nodes.length > 1 && lost.length > 0 && lost.length < redis.nodes.length) return warn(lostNodes(lost.length, facts));
  if (redis.state === 'down')
    return warn(
      redis.silent ? `Redis is frozen or too busy, it does not answer in time: ${instead}.` : `Redis cannot be reached: ${instead}.`,
    );
  if (redis.verifying) return warn(`Redis is back and is being verified, it is not read until it has heard of every change: ${instead}.`);
  if (redis.hears === false)
    return warn('The bus is lost: this process reads of changes in the log of the database, a little later and within the bound.');
  return null;
}

function lostNodes(lost: number, { redis }: Facts): string {
  const names = redis.nodes.filter(({ state }) => state === 'down').map(({ node }) => node);
  const which = names.length > 3 ? `${names.slice(0, 3).join(', ')} and others` : names.join(', ');
  return `${lost} of ${redis.nodes.length} nodes of Redis ${lost === 1 ? 'is' : 'are'} lost (${which}): what was kept there is answered by the database until a replica takes over.`;
}

function slowCause({ database }: Facts): Cause | null {
  if (database.state !== 'slow') return null;
  const took = database.answerMs === null ? '' : ` (${duration(database.answerMs)} for a small question)`;
  return { level: 'warning', text: `The database is slow${took}: what no cache has takes as long.` };
}

function recoveryCause({ recovery, redis, database }: Facts): Cause | null {
  if (redis.state !== 'up' || redis.verifying || database.state === 'down') return null;
  if (recovery.warming)
    return { level: 'warning', text: 'The caches are being warmed: what is popular is loaded, at a pace that the database bears.' };
  if (recovery.recovering)
    return { level: 'warning', text: 'The caches are recovering: they fill again, and calls of the database are paced.' };
  return null;
}

function outboxCause({ outbox }: Facts): Cause | null {
  if (outbox.depth === null || outbox.depth <= outbox.alertAbove) return null;
  return {
    level: 'warning',
    text: `The outbox is deep: ${count(outbox.depth)} changes wait to be told to the caches, which serve nothing beyond the bound meanwhile.`,
  };
}

interface Users {
  readonly noticed: boolean;
  readonly failing: boolean;
  readonly text: string;
}

function usersOf(facts: Facts): Users {
  const { reads, latency, database } = facts;
  if (reads.failed > 0) {
    const text = `Users notice: ${perSecond(reads.failed)} of ${count(Math.max(1, Math.round(reads.all)))} fail.`;
    return { noticed: true, failing: true, text };
  }
  if (database.state === 'down')
    return {
      noticed: true,
      failing: true,
      text: `Users notice${reads.all === 0 ? ' as soon as they read or write' : ' when they write'}.`,
    };
  const cost = costOf(facts);
  if (latency !== null && latency.p99Ms > FELT_MS)
    return {
      noticed: true,
      failing: false,
      text: `Users may notice: one read in a hundred takes ${duration(latency.p99Ms)} or more${cost}.`,
    };
  if (database.state === 'slow')
    return { noticed: false, failing: false, text: `Users may notice when they ask for what no cache has, or write${cost}.` };
  return { noticed: false, failing: false, text: `Users do not notice${cost}.` };
}

/** What the trouble costs the database. */
function costOf({ database: { load, calmLoad } }: Facts): string {
  if (calmLoad === null || load < calmLoad * BUSY) return '';
  return `; the database has ${(load / calmLoad).toFixed(1)} times its calm load`;
}

/** Only where it is so. */
function inTime({ database, latency, reads }: Facts): string {
  const isInTime = database.state === 'up' && reads.failed === 0 && (latency === null || latency.p99Ms <= FELT_MS);
  return isInTime ? ', within its budget' : '';
}

const NUMBERS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const count = (value: number): string => NUMBERS.format(value);
const perSecond = (value: number): string => `${value < 1 ? 'less than 1' : count(value)} a second`;

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 && ms % 1000 !== 0 ? 1 : 0)} s`;
  return `${(ms / 60_000).toFixed(0)} min`;
}
