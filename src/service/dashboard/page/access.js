// The token that whoever looks at the page may type in. It is kept in this tab only, and sent to this service only.

const KEY = 'forebay-token';
let token = '';
let isNeeded = false;
/** The service has said that it is not this one. */
let isWrong = false;
try {
  token = sessionStorage.getItem(KEY) ?? '';
} catch {
  // A browser that keeps nothing: the token lives as long as the page.
}

/** @param {string} given */
export function useToken(given) {
  token = given;
  isWrong = false;
  try {
    if (given === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, given);
  } catch {
    // As above.
  }
}

/** @param {boolean} needed */
export function needToken(needed) {
  isNeeded = needed;
}

/** Why it is of no use to ask for what needs a token; `null` when it may be asked for. @returns {'missing' | 'wrong' | null} */
export function lacksToken() {
  if (!isNeeded) return null;
  return token === '' ? 'missing' : isWrong ? 'wrong' : null;
}

/** @typedef {{ ok: false, lacks: 'missing' | 'wrong' | null, problem: string }} Refusal `problem`: what the service says when it refuses, for people. */

/**
 * Asks the service for JSON; not at all where it would be refused for want of a token.
 * @param {string} url
 * @returns {Promise<{ ok: true, body: any } | Refusal>}
 */
export const ask = (url) => request(url, (response) => response.json());

/**
 * Asks the service for a page, as text.
 * @param {string} url
 * @returns {Promise<{ ok: true, body: string } | Refusal>}
 */
export const askForPage = (url) => request(url, (response) => response.text());

/**
 * @template T
 * @param {string} url
 * @param {(response: Response) => Promise<T>} read
 * @returns {Promise<{ ok: true, body: T } | Refusal>}
 */
async function request(url, read) {
  const lacks = lacksToken();
  if (lacks !== null) return { ok: false, lacks, problem: '' };
  try {
    const response = await fetch(url, {
      cache: 'no-store',
      credentials: 'omit',
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    });
    if (response.status === 401) {
      // Also when it was not known yet that one is needed.
      isNeeded = true;
      isWrong = token !== '';
      return { ok: false, lacks: lacksToken(), problem: '' };
    }
    if (response.ok) return { ok: true, body: await read(response) };
    const { detail } = await response.json();
    return {
      ok: false,
      lacks: null,
      problem: typeof detail === 'string' ? detail : `The service answered with status ${response.status}.`,
    };
  } catch {
    return { ok: false, lacks: null, problem: 'The service did not answer.' };
  }
}
