/** What is worth a span: a read that process memory did not answer, and in it the look into the remote tier and the load; and a relay's work. */
export type SpanName = 'read' | 'remote' | 'load' | 'relay';

/** Names of caches, tiers and outcomes, and numbers; never a key. */
export type SpanFields = Readonly<Record<string, string | number | boolean>>;

/** Something that takes time, from the moment it was begun. */
export interface Span {
  /** Called once. `error`: it failed. */
  end(fields: SpanFields, error?: Error): void;
}

/** Hears of spans as they begin. Called in the course of the work: it has to be quick, and may not throw. */
export interface Tracer {
  /** `parent`: the span in which it happens; `null`: in none of ours, so it belongs to whatever the caller is doing. */
  begin(name: SpanName, parent: Span | null): Span;
}
