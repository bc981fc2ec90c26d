// The timeline: what happened last, the newest first.
import { make } from './dom.js';
import { clock } from './format.js';

/** @import { ForebayEvent } from './types.js' */

const MOST = 200;
/** @type {Record<ForebayEvent['level'], string>} */
const WORDS = { good: 'over', info: 'note', warning: 'warning', critical: 'critical' };

/** @param {ForebayEvent} event */
function row({ at, level, text }) {
  const date = new Date(at);
  const time = make('time', { dateTime: date.toISOString(), textContent: clock(at), title: date.toLocaleString() });
  return make('li', {}, [
    time,
    make('span', { className: `tag ${level}`, textContent: WORDS[level] }),
    make('span', { className: 'text', textContent: text }),
  ]);
}

/** @param {HTMLElement} root @returns {{ replace: (events: readonly ForebayEvent[]) => void, add: (events: readonly ForebayEvent[]) => void }} */
export function showEvents(root) {
  const none = make('li', { className: 'none', textContent: 'Nothing yet.' });
  /** @param {readonly ForebayEvent[]} events */
  const add = (events) => {
    if (events.length === 0) return;
    none.remove();
    root.prepend(...events.map(row).toReversed());
    while (root.children.length > MOST) root.lastElementChild?.remove();
  };
  return {
    replace: (events) => {
      root.replaceChildren(none);
      add(events);
    },
    add,
  };
}
