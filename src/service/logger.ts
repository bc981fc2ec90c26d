import type { Writable } from 'node:stream';
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Logger } from '../core/logger.ts';
import type { Settings } from './config/settings.ts';

export interface LoggerOptions {
  readonly level: Settings['logLevel'];
  /** `auto`: pretty if the standard error stream is a terminal. */
  readonly format: Settings['logFormat'];
  /** Where lines go. @defaultValue standard error, which leaves standard output to results */
  readonly destination?: Writable;
}

const SECRET_FIELDS = ['authorization', 'password', 'token', 'secret'];
const REDACTED = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

/** Passwords in URLs inside of longer texts, such as a driver's error message. */
const withoutPasswords = (line: string): string => line.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"]*):[^\s"]*@/gi, '$1:********@');

/** The service's logger: JSON lines for machines or pretty ones for people, without secrets. */
export function createLogger({ level, format, destination }: LoggerOptions): Logger {
  const usePretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const target = destination ?? pino.destination({ fd: 2, sync: true });
  const layout = { sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' };
  const stream = usePretty ? pretty({ ...layout, destination: destination ?? 2, colorize: destination === undefined }) : target;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '********' },
      serializers: { error: pino.stdSerializers.err },
      hooks: { streamWrite: withoutPasswords },
    },
    stream,
  );
}
