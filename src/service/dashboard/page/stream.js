// The stream of the service. Says at once when it is lost, and tries for ever to have it back.

/** A snapshot comes each second: so many without one, and the service or the way to it is gone. */
const SILENT_MS = 3500;
/** When the service has sent us away, or the browser has given up. */
const AGAIN_MS = 3000;

/** @import { Message } from './types.js' */

/**
 * @param {string} url
 * @param {{ onMessage: (name: 'history' | 'snapshot', message: Message) => void, onLost: () => void }} listener
 */
export function listen(url, { onMessage, onLost }) {
  /** @type {EventSource | undefined} */
  let source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;
  const lost = () => {
    clearTimeout(silence);
    onLost();
  };
  const open = () => {
    source?.close();
    const opened = new EventSource(url);
    source = opened;
    const heard = () => {
      if (source !== opened) return;
      clearTimeout(silence);
      silence = setTimeout(() => {
        // A connection that is half open says nothing of it.
        lost();
        open();
      }, SILENT_MS);
    };
    heard();
    for (const name of /** @type {const} */ (['history', 'snapshot']))
      opened.addEventListener(name, (event) => {
        heard();
        onMessage(name, JSON.parse(event.data));
      });
    opened.addEventListener('heartbeat', heard);
    opened.addEventListener('bye', lost);
    opened.addEventListener('error', () => {
      if (source !== opened) return;
      lost();
      if (opened.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    });
  };
  open();
}
