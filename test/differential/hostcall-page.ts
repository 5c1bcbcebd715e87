/**
 * The part of docs/hostcalls.md that is read from the recordings: what each hostcall answered in
 * each phase, in Envoy and in Granary, and the cases that show it.
 */
import { STATUS } from "../../src/abi/enums.ts";
import { HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import type { HostcallSpec } from "../../src/abi/hostcall-types.ts";
import type { Goldens } from "./golden.ts";
import type { Recording } from "./player.ts";

const MAPS = [
  "request headers",
  "request trailers",
  "response headers",
  "response trailers",
  "gRPC initial metadata",
  "gRPC trailing metadata",
  "callout headers",
  "callout trailers",
];
const BUFFERS = [
  "request body",
  "response body",
  "downstream data",
  "upstream data",
  "callout body",
  "gRPC message",
  "VM configuration",
  "plugin configuration",
  "call data",
];

const STATUS_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(STATUS).map(([name, value]) => [value, name]),
);
const CASES_SHOWN = 3;

/** What was seen of one hostcall on one kind of map or buffer in one phase. */
interface Seen {
  readonly envoy: Set<number>;
  readonly granary: Set<number>;
  readonly cases: Set<string>;
}
/** hostcall and subject, then phase. */
type Table = Map<string, Map<string, Seen>>;

const STEP = /^ {2}(\w+)(?: (.*))? = (-?\d+)(?: .*)?$/s;
const CALLBACK = /^(?:proxy|envoy)_on_(\w+)/;

/** "get_header_map_value 0 ..." as a name and what it is about. */
function subjectOf(short: string, args: string): string | null {
  const name = short in HOSTCALLS ? short : `proxy_${short}`;
  if (!(name in HOSTCALLS)) return null;
  const spec: HostcallSpec = HOSTCALLS[name as HostcallName];
  const kind = spec.params[0]?.[1];
  const first = Number.parseInt(args, 10);
  if (kind === "mapType") return `${name}\t${MAPS[first] ?? "no such map"}`;
  if (kind === "bufferType") return `${name}\t${BUFFERS[first] ?? "no such buffer"}`;
  return `${name}\t`;
}

interface Reading {
  readonly recording: Recording;
  readonly caseName: string;
  readonly sides: readonly ("envoy" | "granary")[];
}

function read(table: Table, { recording, caseName, sides }: Reading): void {
  let phase = "";
  for (const numbered of recording.log) {
    const line = numbered.replace(/^\d: /, "");
    const callback = CALLBACK.exec(line);
    if (callback !== null) {
      phase = callback[1] ?? "";
      continue;
    }
    const step = STEP.exec(line);
    const subject = step === null ? null : subjectOf(step[1] ?? "", step[2] ?? "");
    if (step === null || subject === null) continue;
    const phases = table.get(subject) ?? new Map<string, Seen>();
    table.set(subject, phases);
    const seen = phases.get(phase) ?? { envoy: new Set(), granary: new Set(), cases: new Set() };
    phases.set(phase, seen);
    for (const side of sides) seen[side].add(Number(step[3]));
    seen.cases.add(caseName);
  }
}

function statusesText(statuses: ReadonlySet<number>): string {
  const names = [...statuses].sort((a, b) => a - b).map((one) => STATUS_NAMES.get(one) ?? one);
  return names.length === 0 ? "-" : names.join(", ");
}

/** Phases in which the same was seen share a row. */
function rowsOf(subject: string, phases: ReadonlyMap<string, Seen>): string[] {
  const rows = new Map<string, { phases: string[]; cases: Set<string> }>();
  for (const [phase, seen] of phases) {
    const [envoy, granary] = [statusesText(seen.envoy), statusesText(seen.granary)];
    const answers = `${envoy} | ${envoy === granary ? "same" : `**${granary}**`}`;
    const row = rows.get(answers) ?? { phases: [], cases: new Set<string>() };
    rows.set(answers, row);
    row.phases.push(phase);
    for (const name of seen.cases) row.cases.add(name);
  }
  const [name = "", about = ""] = subject.split("\t");
  return [...rows].map(([answers, row]) => {
    const cases = [...row.cases];
    const shown = cases.slice(0, CASES_SHOWN).map((one) => `\`${one}\``);
    const more = cases.length > CASES_SHOWN ? ` and ${cases.length - CASES_SHOWN} more` : "";
    return `| \`${name}\` | ${about} | ${row.phases.join(", ")} | ${answers} | ${shown.join(", ")}${more} |`;
  });
}

/** The page's last part, from the recordings of every group. */
export function renderSeen(groups: readonly Goldens[]): string {
  const table: Table = new Map();
  for (const goldens of groups) {
    for (const [caseName, golden] of Object.entries(goldens)) {
      const { envoy, granary } = golden;
      const isBoth = granary === undefined;
      read(table, { recording: envoy, caseName, sides: isBoth ? ["envoy", "granary"] : ["envoy"] });
      if (granary !== undefined) read(table, { recording: granary, caseName, sides: ["granary"] });
    }
  }
  const order = Object.keys(HOSTCALLS);
  const subjects = [...table].sort(
    ([a], [b]) => order.indexOf(a.split("\t")[0] ?? "") - order.indexOf(b.split("\t")[0] ?? ""),
  );
  return [
    "## Seen in Envoy and in Granary",
    "",
    "What each host function answered in each callback (`configure` = `proxy_on_configure`), read",
    "from the recordings of the [differential suite](../test/differential) in Envoy 1.40: right",
    "calls and wrong ones. Where Granary answers something else its answer stands in bold, and the",
    "reason in [host-differences.md](host-differences.md).",
    "",
    "| function | of | phases | Envoy | Granary | cases |",
    "|---|---|---|---|---|---|",
    ...subjects.flatMap(([subject, phases]) => rowsOf(subject, phases)),
    "",
  ].join("\n");
}
