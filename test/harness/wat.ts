/** Hand-written guests: WebAssembly text to bytes. */
import wabtModule from "wabt";

const wabt = await wabtModule();

/** The binary of `text`; throws with wabt's message when it does not parse or validate. */
export function compileWat(text: string): Uint8Array {
  const parsed = wabt.parseWat("guest.wat", text);
  try {
    parsed.resolveNames();
    parsed.validate();
    return parsed.toBinary({ write_debug_names: true }).buffer;
  } finally {
    parsed.destroy();
  }
}
