import type { Clock } from '../core/clock.ts';
import type { WebhookTarget } from './options.ts';
import { SIGNATURE_HEADER, signatureOf } from './webhook-signature.ts';

/** What came of one try. */
export type TryOutcome =
  | { readonly kind: 'delivered' }
  /** It may go better later. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number | null }
  /** It will not: the receiver has understood, and does not want it. */
  | { readonly kind: 'refused'; readonly reason: string };

/** The statuses of 400 to 499 that speak of the moment and not of the message. */
const LATER = new Set([408, 425, 429]);

/** Posts a body once, signed. Never rejects, and never says where to: the URL may hold a secret. `signal` ends the try. */
export async function tryOnce(
  body: string,
  id: string,
  { url, secret }: WebhookTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<TryOutcome> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'forebay',
        'idempotency-key': id,
        [SIGNATURE_HEADER]: signatureOf(body, secret, Math.floor(clock.wallNow() / 1000)),
      },
      // The alert was meant for this address alone, and a POST that is redirected may turn into a GET.
      redirect: 'manual',
      signal,
    });
    // What it says is of no interest, and may be endless.
    response.body?.cancel().catch(() => {});
    return outcomeOf(response, clock);
  } catch (error) {
    return { kind: 'failed', reason: signal.aborted ? 'no answer in time' : reasonOf(error), retryAfterMs: null };
  }
}

function outcomeOf({ ok, status, headers }: Response, clock: Clock): TryOutcome {
  if (ok) return { kind: 'delivered' };
  const reason = `status ${status}`;
  if (status < 400) return { kind: 'refused', reason: `${reason}: redirects are not followed` };
  if (status < 500 && !LATER.has(status)) return { kind: 'refused', reason };
  return { kind: 'failed', reason, retryAfterMs: retryAfterMsOf(headers.get('retry-after'), clock) };
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); `null` when there is none that makes sense. */
function retryAfterMsOf(text: string | null, clock: Clock): number | null {
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - clock.wallNow());
}

/** What the system says of a failed connection, such as ECONNREFUSED; its longer texts can hold the address. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'the request failed';
}
