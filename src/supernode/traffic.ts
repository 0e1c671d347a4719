/**
 * Bytes that this supernode has read from sources, and sent to hosts inside of answers: plain sums, raised where bytes pass by anyway, once per
 * piece or less often.
 */
import { Tally } from '../base/tally.ts';
import type { ByteStream } from '../source/byte-stream.ts';
import type { SourceAnswer } from '../source/source.ts';

export class Traffic {
  sourceBytes = 0;
  readonly sourceAnswers = new Tally<SourceAnswer['type'] | 'fault'>(['body', 'unchanged', 'fault']);
  /** Whole contents inside of the answer that opens them. */
  inlineBytes = 0;

  /** The answer of a source, with its bytes counted as they are taken. */
  async counted(asked: Promise<SourceAnswer>): Promise<SourceAnswer> {
    try {
      const answer = await asked;
      this.sourceAnswers.add(answer.type);
      return answer.type === 'body' ? { ...answer, body: new CountedBytes(answer.body, this) } : answer;
    } catch (error) {
      this.sourceAnswers.add('fault');
      throw error;
    }
  }
}

class CountedBytes implements ByteStream {
  readonly #body: ByteStream;
  readonly #traffic: Traffic;

  constructor(body: ByteStream, traffic: Traffic) {
    this.#body = body;
    this.#traffic = traffic;
  }

  async fill(into: Uint8Array, least?: number): Promise<number> {
    const filled = await this.#body.fill(into, least);
    this.#traffic.sourceBytes += filled;
    return filled;
  }

  close(): void {
    this.#body.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#body) {
      this.#traffic.sourceBytes += bytes.length;
      yield bytes;
    }
  }
}
