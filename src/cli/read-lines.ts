/** Of a line, so much is kept: it is too long for whatever is meant, and what is wrong with it is seen from its beginning. */
const MAX_LINE = 1024;

/** The lines of a stream as they come, without what ends them; holds one part of the stream at a time. */
export async function* readLines(stream: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of stream) {
    const lines = (rest + (typeof part === 'string' ? part : decoder.decode(part, { stream: true }))).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}
