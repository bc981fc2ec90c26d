import { createHash, timingSafeEqual } from 'node:crypto';
import { ForebayError } from '../core/errors.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * A check of the `Authorization` header against the token. Digests are compared, so that neither the time taken nor a length tells anything of the token.
 * @throws {ForebayError} `UNAUTHORIZED`, from the function returned
 */
export function bearerCheck(token: string): (authorization: string | undefined) => void {
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '')?.[1];
    if (given === undefined) {
      throw new ForebayError('UNAUTHORIZED', 'this call needs a token: send Authorization: Bearer TOKEN', { field: 'Authorization' });
    }
    if (!timingSafeEqual(digest(given), expected)) {
      throw new ForebayError('UNAUTHORIZED', 'the token is not the one that this service was given', { field: 'Authorization' });
    }
  };
}
