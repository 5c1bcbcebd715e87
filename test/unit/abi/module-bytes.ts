/** Modules put together byte by byte, for what no text format can say. */

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

export function section(id: number, contents: readonly number[]): readonly number[] {
  return [id, ...leb(contents.length), ...contents];
}

/** Header and sections. */
export function moduleOf(...sections: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
}
