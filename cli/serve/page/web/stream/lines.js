// Cuts a stream of bytes into lines of UTF-8 and says where each ends, so that a stream can be taken up again behind
// the last line that has been used.

const MOST_LINE_BYTES = 4 << 20;

export class LineReader {
  #rest = [];
  #restBytes = 0;
  #offset;
  #decoder = new TextDecoder();

  /** `offset` is that of the first byte to come. */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** The lines that are complete with these bytes: {text, end}; `end` is the offset behind the line. */
  push(bytes) {
    const out = [];
    let from = 0;
    for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10, from)) {
      const line = this.#whole(bytes.subarray(from, newline));
      this.#offset += line.length + 1;
      from = newline + 1;
      out.push({ text: this.#decoder.decode(line), end: this.#offset });
    }
    if (from < bytes.length) {
      this.#rest.push(bytes.slice(from));
      this.#restBytes += bytes.length - from;
      if (this.#restBytes > MOST_LINE_BYTES) throw new Error("the server sent a line that is too long");
    }
    return out;
  }

  #whole(tail) {
    if (this.#rest.length === 0) return tail;
    const out = new Uint8Array(this.#restBytes + tail.length);
    let at = 0;
    for (const part of [...this.#rest, tail]) {
      out.set(part, at);
      at += part.length;
    }
    this.#rest = [];
    this.#restBytes = 0;
    return out;
  }
}
