// What the service stands on: the servers of Redis, the bus, the database, and the recovery.
import { make } from './dom.js';
import { bytes, count, duration } from './format.js';

/** @import { DatabaseView, RedisView, Snapshot } from './types.js' */

/**
 * @typedef {{ name: string, state: string, tone: 'good' | 'warn' | 'bad' | 'off', facts: (string | null)[] }} Endpoint
 */

/** @type {Record<string, string>} */
const BREAKERS = {
  closed: 'breaker closed, calls pass',
  open: 'breaker open, no call passes',
  'half-open': 'breaker half-open, probing',
  isolated: 'isolated by hand',
};

/** @param {RedisView['nodes'][number]} node @returns {Endpoint} */
function nodeRow({
  node,
  state,
  connected,
  breaker,
  pingMs,
  version,
  role,
  usedMemoryBytes,
  maxMemoryBytes,
  evictedKeys,
  keys,
  connectedReplicas,
}) {
  return {
    name: `Redis ${node}`,
    state: state === 'up' ? 'up' : breaker === 'isolated' ? 'isolated' : connected ? 'not asked' : 'not connected',
    tone: state === 'up' ? 'good' : 'warn',
    facts: [
      breaker === 'closed' && !connected ? 'tried again all the time' : (BREAKERS[breaker] ?? breaker),
      pingMs === null ? null : `ping ${duration(pingMs)}`,
      role === null ? null : `${role}${connectedReplicas === null || connectedReplicas === 0 ? '' : `, ${connectedReplicas} replicas`}`,
      usedMemoryBytes === null ? null : `${bytes(usedMemoryBytes)} of ${maxMemoryBytes === 0 ? 'no limit' : bytes(maxMemoryBytes)}`,
      keys === null ? null : `${count(keys)} keys`,
      evictedKeys === null ? null : `${count(evictedKeys)} evicted`,
      version === null ? null : `version ${version}`,
      state === 'up' || version === null ? null : 'as it was last seen',
    ],
  };
}

/** @param {RedisView} redis */
function wholeFact({ state, verifying, nodes }) {
  if (state === 'down' || verifying) return 'reads go to the database';
  return `${count(nodes.filter((node) => node.state === 'up').length)} of ${count(nodes.length)} nodes are up`;
}

/** @param {RedisView} redis @returns {Endpoint[]} */
function redisRows(redis) {
  if (redis.state === 'off') return [{ name: 'Redis', state: 'off', tone: 'off', facts: ['this service runs without Redis'] }];
  /** @type {Endpoint} */
  const whole = {
    name: 'Redis',
    state: redis.state === 'down' ? (redis.silent ? 'does not answer' : 'away') : redis.verifying ? 'being verified' : 'up',
    tone: redis.state === 'up' && !redis.verifying ? 'good' : 'warn',
    facts:
      redis.breaker === null || redis.breaker.state === 'closed'
        ? [wholeFact(redis)]
        : [BREAKERS[redis.breaker.state] ?? '', redis.breaker.reason],
  };
  /** @type {Endpoint} */
  const bus = {
    name: 'Bus',
    state: redis.hears === true ? 'heard' : 'lost',
    tone: redis.hears === true ? 'good' : 'warn',
    facts: [redis.hears === true ? 'changes are heard of at once' : 'changes are read from the log of the database'],
  };
  const nodes = redis.nodes.map(nodeRow);
  return redis.nodes.length === 1 && redis.state === 'up' && !redis.verifying ? [...nodes, bus] : [whole, ...nodes, bus];
}

/** @param {DatabaseView} database @returns {Endpoint} */
function databaseRow({ kind, state, answerMs, pool, running, queued }) {
  return {
    name: kind === 'pglite' ? 'Database (in this process)' : 'Database',
    state: state === 'down' ? 'does not answer' : state,
    tone: state === 'up' ? 'good' : state === 'slow' ? 'warn' : 'bad',
    facts: [
      answerMs === null ? null : `${state === 'down' ? 'last question' : 'answers in'} ${duration(answerMs)}`,
      `${pool.total - pool.idle} of ${pool.total} connections at work`,
      `${count(running)} ${running === 1 ? 'load' : 'loads'} under way`,
      queued === 0 ? 'nobody waits' : `${count(queued)} wait`,
    ],
  };
}

/** @param {Snapshot['recovery']} recovery @returns {Endpoint} */
function recoveryRow({ recovering, warming, loaded }) {
  return {
    name: 'Recovery',
    state: warming ? 'warming' : recovering ? 'recovering' : 'calm',
    tone: warming || recovering ? 'warn' : 'good',
    facts: [recovering ? 'calls of the database are paced' : 'calls are not paced', `${count(loaded)} records warmed since the start`],
  };
}

/** @param {HTMLElement} root @returns {(snapshot: Snapshot) => void} */
export function showEndpoints(root) {
  let shown = '';
  return ({ redis, database, recovery, audit }) => {
    const rows = [...redisRows(redis), databaseRow(database), recoveryRow(recovery)];
    if (audit !== null)
      rows.push({
        name: 'Auditor',
        state: audit.stale === 0 ? 'found nothing' : 'found stale records',
        tone: audit.stale === 0 ? 'good' : 'bad',
        facts: [`${count(audit.checked)} entries compared, ${count(audit.stale)} stale`],
      });
    const text = JSON.stringify(rows);
    if (text === shown) return;
    shown = text;
    root.replaceChildren(
      ...rows.map(({ name, state, tone, facts }) =>
        make('li', {}, [
          make('span', { className: 'name', textContent: name }),
          make('span', { className: `state ${tone}`, textContent: state }),
          make(
            'span',
            { className: 'facts' },
            facts.filter((fact) => fact !== null).map((fact) => make('span', { textContent: fact })),
          ),
        ]),
      ),
    );
  };
}
