/** The HTTP service, its configuration and its logger. */
export { createApp } from './app.ts';
export type { AppOptions } from './app.ts';
export { configOptions, loadConfig, renderConfig, toForebayOptions } from './config.ts';
export type { Config, ConfigInput, ConfigOption } from './config.ts';
export { createLogger } from './logger.ts';
export type { LoggerOptions } from './logger.ts';
export { problemSchema } from './problem.ts';
export type { Problem, ProblemCode } from './problem.ts';
export { startService } from './server.ts';
export type { Service, ServiceOptions } from './server.ts';
