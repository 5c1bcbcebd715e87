/**
 * Layouts of shared regions as data: every field with its offset, unit and the one role that writes
 * it. A region begins with a header that attaching threads check, so that two threads never read
 * the same bytes under two layouts. Owned by whoever creates the region; nothing here is on a hot
 * path.
 *
 *   byte 0        4         8            12         16
 *        +--------+---------+------------+----------+----------------
 *        | magic  | version | byteLength | reserved | fields in order
 *        +--------+---------+------------+----------+----------------
 */
import { assert } from "../base/assert.ts";

const ELEMENT_BYTES = { u8: 1, i32: 4, u32: 4, i64: 8, f64: 8 } as const;
export type ElementType = keyof typeof ELEMENT_BYTES;

/** Bytes before the first field. */
export const LAYOUT_HEADER_BYTES = 16;
/** Fields that different threads write stand on lines of their own. */
export const CACHE_LINE_BYTES = 64;

export interface FieldRow {
  readonly type: ElementType;
  /** Elements; 1 for a single word. */
  readonly count: number;
  /** What one element measures: "slots", "bytes", "definitions"... */
  readonly unit: string;
  /** The role that writes this field: "creator", "silo", "main"... */
  readonly writer: string;
  readonly note: string;
  /** Byte alignment, a power of two; without it the size of one element. */
  readonly align?: number;
}

export interface Field extends FieldRow {
  /** From the start of the region, in bytes. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface LayoutSpec<Rows extends Readonly<Record<string, FieldRow>>> {
  readonly name: string;
  /** Four characters. */
  readonly magic: string;
  readonly version: number;
  readonly fields: Rows;
}

export interface Layout<Names extends string> {
  readonly name: string;
  readonly magic: number;
  readonly version: number;
  readonly byteLength: number;
  readonly fields: Readonly<Record<Names, Field>>;
}

function magicNumber(magic: string): number {
  assert(/^[\x21-\x7e]{4}$/.test(magic), `layout magic "${magic}" is not four characters`);
  return new DataView(new TextEncoder().encode(magic).buffer).getUint32(0, true);
}

function alignUp(offset: number, align: number): number {
  assert(align > 0 && (align & (align - 1)) === 0, `alignment ${align} is no power of two`);
  return (offset + align - 1) & -align;
}

/** Places the fields of `spec` one after the other, each aligned. Thread: any. */
export function defineLayout<const Rows extends Readonly<Record<string, FieldRow>>>(
  spec: LayoutSpec<Rows>,
): Layout<Extract<keyof Rows, string>> {
  const fields: Record<string, Field> = {};
  let offset = LAYOUT_HEADER_BYTES;
  for (const [name, row] of Object.entries(spec.fields)) {
    assert(Number.isInteger(row.count) && row.count > 0, `${spec.name}.${name}: count`);
    offset = alignUp(offset, row.align ?? ELEMENT_BYTES[row.type]);
    assert(offset % ELEMENT_BYTES[row.type] === 0, `${spec.name}.${name}: alignment`);
    const byteLength = row.count * ELEMENT_BYTES[row.type];
    fields[name] = { ...row, offset, byteLength };
    offset += byteLength;
  }
  const byteLength = alignUp(offset, CACHE_LINE_BYTES);
  return Object.freeze({
    name: spec.name,
    magic: magicNumber(spec.magic),
    version: spec.version,
    byteLength,
    fields: Object.freeze(fields) as Layout<Extract<keyof Rows, string>>["fields"],
  });
}

/**
 * Makes a zeroed region with its header. The creator writes the header before it shares the buffer,
 * so the message that carries the buffer orders it before every reader. Thread: the creator.
 */
export function createRegion(layout: Layout<string>): SharedArrayBuffer {
  const region = new SharedArrayBuffer(layout.byteLength);
  new Uint32Array(region, 0, 3).set([layout.magic, layout.version, layout.byteLength]);
  return region;
}

/** Asserts that `region` was created with `layout` and returns it. Thread: any. */
export function attachRegion(layout: Layout<string>, region: SharedArrayBuffer): SharedArrayBuffer {
  assert(
    region.byteLength === layout.byteLength,
    `${layout.name}: ${region.byteLength} bytes, expected ${layout.byteLength}`,
  );
  const [magic, version, byteLength] = new Uint32Array(region, 0, 3);
  assert(magic === layout.magic, `${layout.name}: wrong magic ${String(magic)}`);
  assert(version === layout.version, `${layout.name}: version ${String(version)}`);
  assert(byteLength === layout.byteLength, `${layout.name}: length ${String(byteLength)}`);
  return region;
}
