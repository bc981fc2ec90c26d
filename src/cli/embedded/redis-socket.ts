import { connect } from 'node:net';

/** How long the private server may take to answer a connection on its own machine. */
const ANSWER_MS = 2000;

/**
 * Sends one command over a Unix socket and resolves to the first line of the answer: `null` when nobody answers there.
 * For the few words spoken with the private server before and after the service's own client does; it spares a client with its reconnecting.
 */
export function ask(socketPath: string, command: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    let answer = '';
    const end = (line: string | null): void => {
      socket.destroy();
      resolve(line);
    };
    socket.setTimeout(ANSWER_MS, () => end(null));
    socket.once('error', () => end(null));
    socket.once('close', () => end(null));
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.on('data', (part) => {
      answer += part.toString('latin1');
      const lineEnd = answer.indexOf('\r\n');
      if (lineEnd !== -1) end(answer.slice(0, lineEnd));
    });
  });
}
