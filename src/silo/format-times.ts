/**
 * Times and durations of a stream as access logs print them: strftime formats, and the spans
 * between two points of a stream's life.
 */
import type { StreamInfo } from "./stream-info.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAY_MS = 86_400_000;

function pad(value: number, width = 2, fill = "0"): string {
  return String(value).padStart(width, fill);
}

/** Letters of strftime; the date is in UTC (a local time is shifted before). */
const LETTERS: Readonly<Record<string, (date: Date, wallMs: number) => string>> = {
  a: (d) => (DAYS[d.getUTCDay()] as string).slice(0, 3),
  A: (d) => DAYS[d.getUTCDay()] as string,
  b: (d) => (MONTHS[d.getUTCMonth()] as string).slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()] as string,
  d: (d) => pad(d.getUTCDate()),
  e: (d) => pad(d.getUTCDate(), 2, " "),
  f: (_, wallMs) => nanoseconds(wallMs),
  H: (d) => pad(d.getUTCHours()),
  I: (d) => pad(d.getUTCHours() % 12 || 12),
  j: (d) => pad(Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / DAY_MS) + 1, 3),
  m: (d) => pad(d.getUTCMonth() + 1),
  M: (d) => pad(d.getUTCMinutes()),
  p: (d) => (d.getUTCHours() < 12 ? "AM" : "PM"),
  s: (_, wallMs) => String(Math.floor(wallMs / 1000)),
  S: (d) => pad(d.getUTCSeconds()),
  u: (d) => String(d.getUTCDay() || 7),
  w: (d) => String(d.getUTCDay()),
  y: (d) => pad(d.getUTCFullYear() % 100),
  Y: (d) => String(d.getUTCFullYear()),
  z: () => "+0000",
  Z: () => "UTC",
};
/** Letters that stand for several. */
const COMPOUND: Readonly<Record<string, string>> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  h: "%b",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

function nanoseconds(wallMs: number): string {
  return `${pad(Math.floor((wallMs % 1000) * 1000), 6)}000`;
}

function strftime(format: string, wallMs: number, zone: "utc" | "local"): string {
  const offset = zone === "utc" ? 0 : new Date(wallMs).getTimezoneOffset();
  const date = new Date(wallMs - offset * 60_000);
  const whole = format.replace(
    /%([cDFhrRTxX])/g,
    (_, letter: string) => COMPOUND[letter] as string,
  );
  return whole.replace(/%([1-9])f|%([a-zA-Z%])/g, (all, digits?: string, letter?: string) => {
    if (digits !== undefined) return nanoseconds(wallMs).slice(0, Number(digits));
    if (letter === "%") return "%";
    if (letter === "z" && zone === "local") return zoneText(offset);
    return LETTERS[letter as string]?.(date, wallMs) ?? all;
  });
}

function zoneText(offsetMinutes: number): string {
  const size = Math.abs(offsetMinutes);
  return `${offsetMinutes > 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

/** `argument`: a strftime format, or "" for ISO 8601 with milliseconds. */
export function timeText(wallMs: number, argument: string, zone: "utc" | "local"): string {
  if (argument !== "") return strftime(argument, wallMs, zone);
  return zone === "utc"
    ? new Date(wallMs).toISOString()
    : strftime("%Y-%m-%dT%H:%M:%S.%3f%z", wallMs, zone);
}

/** When the line is written. */
export function emitWallMs(info: StreamInfo): number {
  return Number.isNaN(info.endMs) ? info.startWallMs : info.startWallMs + info.endMs - info.startMs;
}

/** Whole milliseconds between two times; null when one did not happen. */
export function milliseconds(from: number, to: number): string | null {
  return Number.isNaN(from) || Number.isNaN(to) ? null : String(Math.max(0, Math.floor(to - from)));
}

const POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (i) => i.startMs,
  DS_RX_END: (i) => i.requestEndMs,
  US_TX_BEG: (i) => i.firstUpstreamTxMs,
  US_RX_BEG: (i) => i.firstUpstreamRxMs,
  US_RX_END: (i) => i.lastUpstreamRxMs,
  DS_TX_BEG: (i) => i.firstDownstreamTxMs,
  DS_TX_END: (i) => i.endMs,
};
const PER_MS: Readonly<Record<string, number>> = { ms: 1, us: 1_000, ns: 1_000_000 };

/** `argument`: `start:end:precision`, checked with the configuration. */
export function spanText(info: StreamInfo, argument: string): string | null {
  const [start = "", end = "", precision = ""] = argument.split(":");
  const from = POINTS[start]?.(info) ?? Number.NaN;
  const to = POINTS[end]?.(info) ?? Number.NaN;
  const scale = PER_MS[precision] ?? 1;
  return milliseconds(from * scale, to * scale);
}
