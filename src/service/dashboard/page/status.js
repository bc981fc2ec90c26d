// The sentence at the top, and what is said aloud of it.
import { setText } from './dom.js';
import { clock } from './format.js';

/** @import { Snapshot } from './types.js' */

/** @type {Record<string, string>} */
const LEVELS = { ok: 'All well', warning: 'Degraded', critical: 'Trouble', lost: 'No connection', unknown: 'Waiting' };
/** Numbers in the sentence change each second; what is said aloud is what is behind them. @param {string} text */
const withoutNumbers = (text) => text.replaceAll(/[\d.,]+/g, '#');

/**
 * @param {{ section: HTMLElement, level: HTMLElement, sentence: HTMLElement, announcement: HTMLElement, stream: HTMLElement }} nodes
 * @returns {{ show: (snapshot: Snapshot) => void, lose: (lastAt: number | null) => void }}
 */
export function showStatus({ section, level, sentence, announcement, stream }) {
  let said = '';
  /** @param {string} name @param {string} text */
  const set = (name, text) => {
    section.dataset['level'] = name;
    setText(level, LEVELS[name] ?? name);
    setText(sentence, text);
    document.title = name === 'ok' ? 'Forebay' : `${LEVELS[name] ?? name} · Forebay`;
    const key = withoutNumbers(`${name} ${text}`);
    if (key === said) return;
    said = key;
    setText(announcement, `${LEVELS[name] ?? name}. ${text}`);
  };
  return {
    show: ({ status, at }) => {
      document.body.classList.remove('is-lost');
      stream.dataset['state'] = 'live';
      setText(stream, `live, ${clock(at)}`);
      set(status.level, status.sentence);
    },
    lose: (lastAt) => {
      document.body.classList.add('is-lost');
      stream.dataset['state'] = 'lost';
      setText(stream, 'not connected');
      const last = lastAt === null ? 'There were no numbers yet' : `These are the last numbers, of ${clock(lastAt)}`;
      set('lost', `The connection to the service is lost. ${last}; it is tried again all the time.`);
    },
  };
}
