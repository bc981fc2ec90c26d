/** One event of `text/event-stream`. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** No event of the service is longer, in characters: the history has some 60 kB. */
const MAX_EVENT = 4 * 1024 ** 2;

/** The events of a stream, in order, as far as the service makes use of the format: comments and `retry` are passed over. Rejects when the connection breaks; ends when the stream does. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    if (rest.length > MAX_EVENT) throw new Error('an event of the stream is too long');
    for (const block of blocks) yield eventOf(block);
  }
}

function eventOf(block: string): StreamEvent {
  const fields = block.split('\n').map((line) => /^([a-z]+): ?(.*)$/s.exec(line));
  const all = (name: string): string[] => fields.flatMap((field) => (field?.[1] === name ? [field[2] ?? ''] : []));
  return { event: all('event').at(-1) ?? 'message', data: all('data').join('\n') };
}
