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

/**
 * Asks the service for JSON; not at all where it would be refused for want of a token. `problem`: what it says when it refuses, for people.
 * @param {string} url
 * @returns {Promise<{ ok: true, body: any } | { ok: false, lacks: 'missing' | 'wrong' | null, problem: string }>}
 */
export async function ask(url) {
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
    const body = await response.json();
    if (response.ok) return { ok: true, body };
    return {
      ok: false,
      lacks: null,
      problem: typeof body?.detail === 'string' ? body.detail : `The service answered with status ${response.status}.`,
    };
  } catch {
    return { ok: false, lacks: null, problem: 'The service did not answer.' };
  }
}
