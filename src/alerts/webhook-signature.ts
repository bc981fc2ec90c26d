import { createHmac } from 'node:crypto';

/** The header that says who sent a message and when. */
export const SIGNATURE_HEADER = 'X-Forebay-Signature';

/**
 * `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body" under the secret>`. The time is signed with the body, so that a receiver can refuse what was recorded and sent again later; it is that of the try, not of the alert.
 */
export function signatureOf(body: string, secret: string, unixSeconds: number): string {
  const mac = createHmac('sha256', secret).update(`${unixSeconds}.${body}`).digest('hex');
  return `t=${unixSeconds},v1=${mac}`;
}
