/**
 * Notices when files change, by watching the folders that hold them: a file that is replaced by
 * another of its name, and the `..data` link that Kubernetes swaps, are only seen from there. Every
 * link on the way to a file counts. Thread: main.
 */
import { createHash } from "node:crypto";
import { type FSWatcher, readFileSync, readlinkSync, watch } from "node:fs";
import { dirname, isAbsolute, join, parse, resolve, sep } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";

const log = new Logger("config");

/** A change is often several events: a new file is written, closed, moved. */
const SETTLE_MS = 50;
/** Until a folder that cannot be watched (it was replaced just now) is tried again. */
const RETRY_MS = 1_000;
/** Links from one name to its file; more are a loop. */
const LINKS_MAX = 40;

export class FileWatch {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  /** Digest of each watched file as it was when it was last looked at. */
  #digests: ReadonlyMap<string, string> = new Map();
  #timer: Timer | null = null;
  #closed = false;

  /** `onChange` runs when the content of a watched file has become another. */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /**
   * From now on these files count. What new ones contain now is no change; one that was watched
   * before is compared with what it was then, so that nothing is missed while it was read.
   */
  watch(files: readonly string[]): void {
    if (this.#closed) return;
    const before = this.#digests;
    this.#digests = new Map(files.map((file) => [file, before.get(file) ?? digestOf(file)]));
    this.#watchFolders();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchFolders(): void {
    const folders = new Set([...this.#digests.keys()].flatMap(foldersOf));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watchOne(folder);
  }

  #watchOne(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#soon(SETTLE_MS));
      watcher.on("error", () => this.#lost(folder, watcher));
      this.#watchers.set(folder, watcher);
    } catch (error) {
      log.debug(`cannot watch ${folder}: ${String(error)}`);
      this.#soon(RETRY_MS);
    }
  }

  #lost(folder: string, watcher: FSWatcher): void {
    watcher.close();
    this.#watchers.delete(folder);
    this.#soon(RETRY_MS);
  }

  #soon(delayMs: number): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = null;
      this.#look();
    });
  }

  #look(): void {
    // A folder that was replaced by another of its name is watched under the old inode.
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#watchFolders();
    const before = this.#digests;
    this.#digests = new Map([...before.keys()].map((file) => [file, digestOf(file)]));
    for (const [file, digest] of this.#digests) {
      if (digest === before.get(file)) continue;
      this.#onChange();
      return;
    }
  }
}

/** A file that cannot be read is told apart from an empty one. */
function digestOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch {
    return "absent";
  }
}

/** The folders in which something decides what `file` is: its own and those of links on its way. */
function foldersOf(file: string): readonly string[] {
  const folders = new Set<string>([dirname(file)]);
  let links = 0;
  let rest = file.split(sep).filter(Boolean);
  let at = parse(file).root;
  while (rest.length > 0) {
    const name = rest[0] as string;
    rest = rest.slice(1);
    const target = linkTarget(join(at, name));
    if (target === null) {
      at = join(at, name);
      continue;
    }
    links++;
    if (links > LINKS_MAX) break;
    folders.add(at);
    const whole = isAbsolute(target) ? target : resolve(at, target);
    rest = [...whole.split(sep).filter(Boolean), ...rest];
    at = parse(whole).root;
  }
  folders.add(dirname(at));
  return [...folders];
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
