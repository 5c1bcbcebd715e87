/**
 * What plugins logged, from the proxy's stderr: `thread|level|wasm log name root vm: text`. A root
 * context's lines have no name in Envoy, so lines are told apart by root id and VM id.
 */

import { readLine } from "./program.ts";
import { type PluginLog, PROBE } from "./proxy-config.ts";

interface Entry {
  readonly thread: string;
  readonly plugin: PluginLog;
  /** Text by {@link readLine}, with the level when the guest chose it. */
  text: string;
}

const PREFIX = /^(\d+)\|(\w+)\|(.*)$/s;
const GUEST = /^wasm log (?:\S+ )?(\S+ \S+): (.*)$/s;

export class GuestLogs {
  readonly #plugins: ReadonlyMap<string, PluginLog>;
  readonly #entries: Entry[] = [];
  #probe: Entry | null = null;
  #rest = "";
  #open: Entry | null = null;

  constructor(plugins: ReadonlyMap<string, PluginLog>) {
    this.#plugins = plugins;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const prefix = PREFIX.exec(line);
    if (prefix === null) {
      // A line break inside a message.
      if (this.#open !== null) this.#open.text += `\n${line}`;
      return;
    }
    this.#open = null;
    const [, thread = "", level = "", message = ""] = prefix;
    const guest = GUEST.exec(message);
    const plugin = this.#plugins.get(guest?.[1] ?? "");
    const said = guest?.[2] ?? "";
    if (plugin === undefined) return;
    // What the host itself says under a plugin's name is the host's own affair.
    if (!said.startsWith("@") && !said.startsWith("guest")) return;
    const read = readLine(said, plugin.program.steps);
    const entry = { thread, plugin, text: said.startsWith("@") ? read : `[${level}] ${read}` };
    if (plugin.caseName === PROBE) {
      if (entry.text.includes("get_header_map_value")) this.#probe = entry;
      return;
    }
    this.#entries.push(entry);
    this.#open = entry;
  }

  /** Whether the probe has logged a request for `path`. */
  hasProbed(path: string): boolean {
    return this.#probe?.text.includes(`"${path}"`) ?? false;
  }

  /**
   * Lines of a case on the thread that serves: a plugin's trial start on the main thread is not
   * repeated. With several filters each line says whose it is.
   */
  linesOf(caseName: string, filters: number): string[] {
    return this.#entries
      .filter(({ plugin, thread }) => {
        return plugin.caseName === caseName && thread === this.#probe?.thread;
      })
      .map(({ plugin, text }) => (filters > 1 ? `${plugin.index}: ${text}` : text));
  }
}
