/**
 * Two small modules for engines that can set a guest's stack aside (JSPI). Frames of the host on
 * that stack would forbid it, so what lies between has to be Wasm:
 *
 *   adapter      the guest's import: asks the host's function first, and stops only when that says
 *                so. An import that may stop traps in every call that nobody may wait for.
 *   trampoline   the guest's export: hands its result to the host within the call, because the
 *                promise of a call that did not stop would tell it a turn later.
 */
import { WasmWriter } from "./wasm-writer.ts";

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const FUNCTION_TYPE = 0x60;
const I32 = 0x7f;
const KIND_FUNCTION = 0;
const OP = {
  if: 0x04,
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i32Eq: 0x46,
  noValue: 0x40,
} as const;

/** Module name of all imports, and the name of the one export. */
export const SUSPENDING_NAMES = { imports: "host", export: "call" } as const;

interface FunctionShape {
  readonly params: number;
  readonly results: number;
}

/** A module of one function: imports go first, then it. */
interface OneFunction {
  readonly imports: readonly (FunctionShape & { readonly name: string })[];
  readonly shape: FunctionShape;
  /** Locals beyond the parameters, all i32. */
  readonly locals: number;
  readonly body: (writer: WasmWriter) => void;
}

function section(writer: WasmWriter, id: number, fill: (section: WasmWriter) => void): void {
  const content = new WasmWriter(64);
  fill(content);
  writer.u8(id);
  writer.sized(content.bytes);
}

function writeType(writer: WasmWriter, { params, results }: FunctionShape): void {
  writer.u8(FUNCTION_TYPE);
  writer.u32(params);
  for (let i = 0; i < params; i++) writer.u8(I32);
  writer.u32(results);
  for (let i = 0; i < results; i++) writer.u8(I32);
}

function writeCode(writer: WasmWriter, { locals, body }: OneFunction): void {
  const code = new WasmWriter(64);
  code.u32(locals > 0 ? 1 : 0);
  if (locals > 0) {
    code.u32(locals);
    code.u8(I32);
  }
  body(code);
  code.u8(OP.end);
  writer.u32(1);
  writer.sized(code.bytes);
}

/** Type `n` is that of import `n`; the last one is the function's. */
function moduleOf(made: OneFunction): Uint8Array<ArrayBuffer> {
  const { imports, shape } = made;
  const writer = new WasmWriter(256);
  for (const byte of HEADER) writer.u8(byte);
  section(writer, SECTION.type, (types) => {
    types.u32(imports.length + 1);
    for (const type of [...imports, shape]) writeType(types, type);
  });
  section(writer, SECTION.import, (list) => {
    list.u32(imports.length);
    for (const [index, { name }] of imports.entries()) {
      list.name(SUSPENDING_NAMES.imports);
      list.name(name);
      list.u8(KIND_FUNCTION);
      list.u32(index);
    }
  });
  section(writer, SECTION.function, (functions) => {
    functions.u32(1);
    functions.u32(imports.length);
  });
  section(writer, SECTION.export, (exports) => {
    exports.u32(1);
    exports.name(SUSPENDING_NAMES.export);
    exports.u8(KIND_FUNCTION);
    exports.u32(imports.length);
  });
  section(writer, SECTION.code, (code) => writeCode(code, made));
  return writer.bytes.slice();
}

function op(writer: WasmWriter, code: number, argument: number): void {
  writer.u8(code);
  writer.u32(argument);
}

const HOSTCALL_PARAMS = 6;
const PTR_PTR = 4;
const LEN_PTR = 5;

/**
 * The adapter of `proxy_call_foreign_function`. Imports: `body` (the hostcall), `stop`, and
 * `answer`, which gets the out-parameters and gives the status. `wait` is the status of `body` that
 * stops the guest.
 */
export function adapterModule(wait: number): Uint8Array<ArrayBuffer> {
  const [body, stop, answer] = [0, 1, 2];
  const status = HOSTCALL_PARAMS;
  return moduleOf({
    imports: [
      { name: "body", params: HOSTCALL_PARAMS, results: 1 },
      { name: "stop", params: 0, results: 0 },
      { name: "answer", params: 2, results: 1 },
    ],
    shape: { params: HOSTCALL_PARAMS, results: 1 },
    locals: 1,
    body: (writer) => {
      for (let i = 0; i < HOSTCALL_PARAMS; i++) op(writer, OP.localGet, i);
      op(writer, OP.call, body);
      op(writer, OP.localTee, status);
      writer.u8(OP.i32Const);
      writer.s32(wait);
      writer.u8(OP.i32Eq);
      writer.u8(OP.if);
      writer.u8(OP.noValue);
      op(writer, OP.call, stop);
      op(writer, OP.localGet, PTR_PTR);
      op(writer, OP.localGet, LEN_PTR);
      op(writer, OP.call, answer);
      op(writer, OP.localSet, status);
      writer.u8(OP.end);
      op(writer, OP.localGet, status);
    },
  });
}

/** The trampoline of an export. Imports: `fn` (the export) and `done`, which gets its result. */
export function trampolineModule({ params, results }: FunctionShape): Uint8Array<ArrayBuffer> {
  return moduleOf({
    imports: [
      { name: "fn", params, results },
      { name: "done", params: 1, results: 0 },
    ],
    shape: { params, results: 0 },
    locals: 0,
    body: (writer) => {
      for (let i = 0; i < params; i++) op(writer, OP.localGet, i);
      op(writer, OP.call, 0);
      if (results === 0) {
        writer.u8(OP.i32Const);
        writer.s32(0);
      }
      op(writer, OP.call, 1);
    },
  });
}
