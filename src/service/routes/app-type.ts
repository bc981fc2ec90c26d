import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route needs the token, if there is one. */
    readonly guarded?: boolean;
    /** Whether the answer goes on until the client leaves: that is no failure, and its length says nothing of how quick the service is. */
    readonly stream?: boolean;
  }
}

/** The app with handlers typed by their zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
