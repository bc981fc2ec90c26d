import { isIP } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';
import { ForebayError } from '../core/errors.ts';
import type { AppOptions } from './app.ts';
import { createApp } from './app.ts';
import type { Settings } from './config/settings.ts';
import { settings } from './config/settings.ts';
import type { HttpSettings } from './http-settings.ts';
import { httpSettings } from './http-settings.ts';
import type { App } from './routes/app-type.ts';

export interface ServiceOptions extends AppOptions {
  readonly config?: Partial<HttpSettings & Pick<Settings, 'host' | 'port'>>;
}

/** A service that listens. */
export interface Service {
  /** `http://127.0.0.1:7070`, with the port that was taken. */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no new connections, lets requests in flight end for up to `shutdownTimeoutMs`, then cuts off the rest. Idempotent.
   * The Forebay is not closed: it belongs to whoever made it.
   */
  close(): Promise<void>;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/** Something that can be put into a browser, even when listening on every address. */
function urlOf({ address, port, family }: AddressInfo): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `http://${family === 'IPv6' && isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

async function listen(app: App, host: string, port: number): Promise<AddressInfo> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const advice = code === 'EADDRINUSE' ? 'another program has it; choose another with --port or FOREBAY_PORT, 0 for any free one' : code;
    throw new ForebayError('ADDRESS_UNAVAILABLE', `cannot listen on ${host} port ${port}: ${advice}`, { cause: error });
  }
  return app.server.address() as AddressInfo;
}

async function closeWithin(app: App, limitMs: number, logger: Logger): Promise<void> {
  const timer = setTimeout(() => {
    logger.warn({ limitMs }, 'requests in flight were cut off at the shutdown limit');
    app.server.closeAllConnections();
  }, limitMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts the HTTP service.
 * @throws {ForebayError} `ADDRESS_UNAVAILABLE` when the address or port cannot be had.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config = {}, logger = silentLogger } = options;
  const { token, shutdownTimeoutMs } = httpSettings(config);
  const app = createApp(options);
  const address = await listen(app, config.host ?? settings.host.defaultValue, config.port ?? settings.port.defaultValue);
  const url = urlOf(address);
  logger.info({ url }, 'listening');
  if (token === null && !isLoopback(address.address)) {
    logger.warn({ url }, 'others can reach this address and no token is set: everyone who connects can write; set FOREBAY_TOKEN');
  }
  let closed: Promise<void> | undefined;
  return {
    url,
    port: address.port,
    close: () => (closed ??= closeWithin(app, shutdownTimeoutMs, logger)),
  };
}
