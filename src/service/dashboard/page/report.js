// The efficiency report. It names files: a link carries no token, so where one is needed the report is asked for with it, and opened from memory.
import { askForPage } from './access.js';

/** How long the opened page may take to read what it was given, in ms. */
const KEEP_MS = 60_000;

/**
 * @param {HTMLAnchorElement} link
 * @param {{ needsToken: () => boolean, onUnauthorized: () => void, onProblem: (problem: string) => void }} told
 */
export function wireReport(link, { needsToken, onUnauthorized, onProblem }) {
  link.addEventListener('click', async (event) => {
    if (!needsToken()) return;
    event.preventDefault();
    // Opened while the click counts: a page that is opened later is taken for an advertisement.
    const page = open('', '_blank');
    const result = await askForPage('report');
    if (page === null || page.closed) return;
    if (!result.ok) {
      page.close();
      if (result.lacks === null) onProblem(result.problem);
      else onUnauthorized();
      return;
    }
    const url = URL.createObjectURL(new Blob([result.body], { type: 'text/html' }));
    page.location.replace(url);
    setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
  });
}
