// What is read most. Asked for apart from the stream, since it names files: with a token where the service has one.
import { ask } from './access.js';
import { make } from './dom.js';
import { count } from './format.js';

/** A period of counting is as long. */
const EVERY_MS = 5000;
const SHOWN = 10;

/** @param {string} title @param {string} what @param {readonly { name: string, note: string, reads: number }[]} rows @param {(name: string) => void} [onPick] */
function table(title, what, rows, onPick) {
  const head = make('tr', {}, [make('th', { scope: 'col', textContent: what }), make('th', { scope: 'col', textContent: 'Reads' })]);
  const body = rows.slice(0, SHOWN).map(({ name, note, reads }) => {
    const cell = make('th', { scope: 'row', className: 'id' });
    if (onPick === undefined) cell.textContent = name;
    else {
      const pick = make('button', { type: 'button', className: 'link', textContent: name, title: 'Look it up' });
      pick.addEventListener('click', () => onPick(name));
      cell.append(pick);
    }
    if (note !== '') cell.append(' ', make('span', { className: 'note', textContent: note }));
    return make('tr', {}, [cell, make('td', { textContent: count(reads) })]);
  });
  return make('table', {}, [make('caption', { textContent: title }), make('thead', {}, [head]), make('tbody', {}, body)]);
}

/**
 * Shows it every few seconds; `onPick`: somebody wants to know more of a file. Returns what asks at once.
 * @param {HTMLElement} root
 * @param {(id: string) => void} onPick
 */
export function showHot(root, onPick) {
  let shown = '';
  const look = async () => {
    const result = await ask('v1/cache/hot');
    const text = JSON.stringify(result);
    // A row that somebody is about to press stays where it is while nothing has changed.
    if (text === shown || root.contains(document.activeElement)) return;
    shown = text;
    if (!result.ok) {
      const how =
        result.lacks === 'wrong'
          ? 'the token that was typed in is not the one of this service'
          : 'type in the token of this service below to see them';
      const problem = result.lacks === null ? result.problem : `They name files: ${how}.`;
      root.replaceChildren(make('p', { className: 'none', textContent: problem }));
      return;
    }
    /** @type {{ keys: { id: string, cache: string, reads: number }[], tags: { tag: string, reads: number }[] }} */
    const { keys, tags } = result.body;
    if (keys.length === 0 && tags.length === 0) {
      root.replaceChildren(make('p', { className: 'none', textContent: 'No file was read twice in the last ten seconds.' }));
      return;
    }
    const files = keys.map(({ id, cache, reads }) => ({ name: id, note: cache === 'meta' ? 'attributes' : '', reads }));
    const labels = tags.map(({ tag, reads }) => ({ name: tag, note: '', reads }));
    root.replaceChildren(
      make('div', { className: 'tables' }, [
        table('In the last ten seconds', 'File', files, onPick),
        table('Since the start, estimated', 'Tag', labels),
      ]),
    );
  };
  setInterval(() => {
    if (!document.hidden) void look();
  }, EVERY_MS);
  return look;
}
