import type { FastifyRequest } from 'fastify';
import { HttpFault } from './faults.ts';

/** Deeper nesting overflows the stack of whoever walks it recursively, clients' JSON libraries included. */
const MAX_DEPTH = 64;
/** More characters of a field's path than this are cut. */
const MAX_FIELD = 200;

const decoder = new TextDecoder('utf-8', { fatal: true });

interface Step {
  readonly value: object;
  readonly depth: number;
  readonly path: string;
}

/**
 * Refuses what is JSON but would be trouble later. `__proto__` as a key: copying it with `=` changes an object's prototype instead of its content,
 * here or in whatever reads the record next.
 */
function refuseTrouble(root: unknown): void {
  const left: Step[] = [];
  const push = (value: unknown, depth: number, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (depth > MAX_DEPTH) throw new HttpFault('BODY_INVALID', `must not nest deeper than ${MAX_DEPTH} levels`, path.slice(0, MAX_FIELD));
    left.push({ value, depth, path });
  };
  push(root, 1, '');
  for (let step = left.pop(); step !== undefined; step = left.pop()) {
    for (const [name, part] of Object.entries(step.value)) {
      const path = (step.path === '' ? name : `${step.path}.${name}`).slice(0, MAX_FIELD).toWellFormed();
      if (name === '__proto__') throw new HttpFault('BODY_INVALID', 'a key must not be named __proto__', path);
      push(part, step.depth + 1, path);
    }
  }
}

function refuseEncodings(request: FastifyRequest): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    throw new HttpFault('MEDIA_TYPE_UNSUPPORTED', 'JSON must be sent in UTF-8', 'Content-Type');
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new HttpFault('MEDIA_TYPE_UNSUPPORTED', 'send the body without Content-Encoding', 'Content-Encoding');
  }
}

/**
 * Reads a JSON body. An empty one is `undefined`; the route's schema says whether that will do.
 * @throws {HttpFault} `BODY_INVALID`, `MEDIA_TYPE_UNSUPPORTED`
 */
export function parseJsonBody(request: FastifyRequest, bytes: Buffer): unknown {
  refuseEncodings(request);
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new HttpFault('BODY_INVALID', 'the body is not valid UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Not the parser's message: it quotes the body.
    const at = /at position \d+/.exec(error instanceof Error ? error.message : '')?.[0];
    throw new HttpFault('BODY_INVALID', `the body is not valid JSON${at === undefined ? '' : ` (${at})`}`);
  }
  refuseTrouble(value);
  return value;
}
