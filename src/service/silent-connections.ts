import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Watches for connections on which nothing was ever asked; the function returned drops them, and those still to come.
 * Browsers and client pools open such connections ahead of need. Node counts them as busy, so that closing would wait for them up to the limit.
 */
export function watchSilentConnections(server: Server): () => void {
  const open = new Set<Socket>();
  let dropping = false;
  server.on('connection', (socket: Socket) => {
    if (dropping) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return () => {
    dropping = true;
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  };
}
