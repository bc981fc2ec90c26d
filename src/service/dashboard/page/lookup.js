// The look-up box: what each tier holds of a file, in words.
import { ask } from './access.js';
import { make } from './dom.js';
import { explainEntry } from './explain-entry.js';

const PARTS = /** @type {const} */ ([
  ['info', 'The record'],
  ['meta', 'Its attributes'],
]);

/** @param {string} text */
const problem = (text) => make('p', { className: 'problem', textContent: text });

/** @param {any} body @param {number} maxStalenessMs */
function answer(body, maxStalenessMs) {
  return PARTS.map(([part, title]) => {
    const { headline, lines } = explainEntry(body[part], maxStalenessMs);
    const list = make(
      'ul',
      {},
      lines.map((line) => make('li', { textContent: line })),
    );
    return make('div', { className: 'entry' }, [
      make('h3', { textContent: title }),
      make('p', { className: 'headline', textContent: headline }),
      list,
    ]);
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLInputElement} input
 * @param {HTMLElement} out
 * @param {{ maxStalenessMs: () => number, onUnauthorized: () => void }} parts
 */
export function wireLookup(form, input, out, { maxStalenessMs, onUnauthorized }) {
  let asked = 0;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const id = input.value.trim();
    asked += 1;
    const mine = asked;
    out.setAttribute('aria-busy', 'true');
    void ask(`v1/cache/files/${encodeURIComponent(id)}`).then((result) => {
      // Somebody has asked for another one meanwhile.
      if (mine !== asked) return;
      out.removeAttribute('aria-busy');
      if (result.ok) {
        out.replaceChildren(...answer(result.body, maxStalenessMs()));
        return;
      }
      if (result.lacks === null) {
        out.replaceChildren(problem(result.problem));
        return;
      }
      out.replaceChildren(
        problem(
          result.lacks === 'wrong' ? 'The token is not the one of this service.' : 'This needs the token of the service: type it in below.',
        ),
      );
      onUnauthorized();
    });
  });
}
