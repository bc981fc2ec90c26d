/** Spans for OpenTelemetry. Needs the package `@opentelemetry/api`; which SDK takes the spans, and where they go, is the application's. */
import type { Tracer as ApiTracer, Span as ApiSpan } from '@opentelemetry/api';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Span, SpanFields, Tracer } from '../cache/tracer.ts';

export interface OpenTelemetryOptions {
  /** @defaultValue the tracer `forebay` of the global provider */
  readonly tracer?: ApiTracer;
}

class OpenTelemetrySpan implements Span {
  readonly span: ApiSpan;

  constructor(span: ApiSpan) {
    this.span = span;
  }

  end(fields: SpanFields, error?: Error): void {
    for (const [name, value] of Object.entries(fields)) this.span.setAttribute(`forebay.${name}`, value);
    // The class of an error and its code say what happened; its text may name a key.
    if (error !== undefined)
      this.span.setStatus({ code: SpanStatusCode.ERROR, message: 'code' in error ? String(error.code) : error.name });
    this.span.end();
  }
}

/** A tracer for the options `tracer` of `createForebay` and `createCache`. */
export function openTelemetryTracer({ tracer = trace.getTracer('forebay') }: OpenTelemetryOptions = {}): Tracer {
  return {
    begin(name, parent) {
      const active = context.active();
      const within = parent instanceof OpenTelemetrySpan ? trace.setSpan(active, parent.span) : active;
      return new OpenTelemetrySpan(tracer.startSpan(`forebay.${name}`, { kind: SpanKind.INTERNAL }, within));
    },
  };
}
