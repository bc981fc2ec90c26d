// The token that whoever looks at the page may type in. It is kept in this tab only, and sent to this service only.

const KEY = 'forebay-token';
let token = '';
try {
  token = sessionStorage.getItem(KEY) ?? '';
} catch {
  // A browser that keeps nothing: the token lives as long as the page.
}

/** @param {string} given */
export function useToken(given) {
  token = given;
  try {
    if (given === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, given);
  } catch {
    // As above.
  }
}

export const hasToken = () => token !== '';

/**
 * Asks the service for JSON. `problem`: what it says when it refuses, for people; `unauthorized`: a token is missing or wrong.
 * @param {string} url
 * @returns {Promise<{ ok: true, body: any } | { ok: false, unauthorized: boolean, problem: string }>}
 */
export async function ask(url) {
  try {
    const response = await fetch(url, {
      cache: 'no-store',
      credentials: 'omit',
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    });
    const body = await response.json();
    if (response.ok) return { ok: true, body };
    return {
      ok: false,
      unauthorized: response.status === 401,
      problem: typeof body?.detail === 'string' ? body.detail : `status ${response.status}`,
    };
  } catch {
    return { ok: false, unauthorized: false, problem: 'The service did not answer.' };
  }
}
