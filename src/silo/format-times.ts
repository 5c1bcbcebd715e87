/**
 * Times and durations of a stream as access logs print them: strftime formats, and the spans
 * between two points of a stream's life. Formats are compiled once, and what a second changes is
 * printed once a second.
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

/** @param date in UTC (a local time is shifted before) */
type Letter = (date: Date, wallMs: number, zoneMinutes: number) => string;

/** Letters of strftime but `%f`: what they print changes once a second at most. */
const LETTERS: Readonly<Record<string, Letter>> = {
  a: (d) => (DAYS[d.getUTCDay()] as string).slice(0, 3),
  A: (d) => DAYS[d.getUTCDay()] as string,
  b: (d) => (MONTHS[d.getUTCMonth()] as string).slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()] as string,
  d: (d) => pad(d.getUTCDate()),
  e: (d) => pad(d.getUTCDate(), 2, " "),
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
  z: (_, __, zoneMinutes) => zoneText(zoneMinutes),
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

function zoneText(offsetMinutes: number): string {
  const size = Math.abs(offsetMinutes);
  return `${offsetMinutes > 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

const ISO_UTC = "%Y-%m-%dT%H:%M:%S.%3fZ";
const ISO_LOCAL = "%Y-%m-%dT%H:%M:%S.%3f%z";
/** By milliseconds of the second. */
const THOUSANDTHS: readonly string[] = Array.from({ length: 1000 }, (_, i) => pad(i, 3));
const NANO_DIGITS = 9;

/** The digits after the second's point; what is told of time ends with microseconds. */
function fraction(wallMs: number, digits: number): string {
  if (digits === 3) return THOUSANDTHS[Math.floor(wallMs % 1000)] as string;
  return `${pad(Math.floor((wallMs % 1000) * 1000), 6)}000`.slice(0, digits);
}

class TimeFormat {
  readonly #zone: "utc" | "local";
  /** What stands before, between and after the fractions: one more than those. */
  readonly #parts: Letter[][] = [[]];
  /** Of each fraction. */
  readonly #digits: number[] = [];
  /** The parts as of `#second`. */
  readonly #texts: string[] = [];
  #second = Number.NaN;

  constructor(format: string, zone: "utc" | "local") {
    this.#zone = zone;
    this.#read(format);
  }

  #read(format: string): void {
    for (const [all, digits, letter = ""] of format.matchAll(/%([1-9]?)f|%([a-zA-Z%])|[^%]+|%/g)) {
      if (digits !== undefined) {
        this.#digits.push(digits === "" ? NANO_DIGITS : Number(digits));
        this.#parts.push([]);
        continue;
      }
      const several = COMPOUND[letter];
      if (several !== undefined) this.#read(several);
      else this.#parts.at(-1)?.push(LETTERS[letter] ?? (() => (letter === "%" ? "%" : all)));
    }
  }

  text(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) this.#print(wallMs, second);
    let out = this.#texts[0] as string;
    for (let i = 0; i < this.#digits.length; i++) {
      out += fraction(wallMs, this.#digits[i] as number);
      out += this.#texts[i + 1] as string;
    }
    return out;
  }

  #print(wallMs: number, second: number): void {
    const offset = this.#zone === "utc" ? 0 : new Date(wallMs).getTimezoneOffset();
    const date = new Date(wallMs - offset * 60_000);
    for (let i = 0; i < this.#parts.length; i++) {
      let text = "";
      for (const letter of this.#parts[i] as Letter[]) text += letter(date, wallMs, offset);
      this.#texts[i] = text;
    }
    this.#second = second;
  }
}

/** @param argument a strftime format, or "" for ISO 8601 with milliseconds */
export function compileTime(argument: string, zone: "utc" | "local"): (wallMs: number) => string {
  const iso = zone === "utc" ? ISO_UTC : ISO_LOCAL;
  const format = new TimeFormat(argument === "" ? iso : argument, zone);
  return (wallMs) => format.text(wallMs);
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

/** @param argument `start:end:precision`, checked with the configuration */
export function compileSpan(argument: string): (info: StreamInfo) => string | null {
  const [start = "", end = "", precision = ""] = argument.split(":");
  const from = POINTS[start] ?? (() => Number.NaN);
  const to = POINTS[end] ?? (() => Number.NaN);
  const scale = PER_MS[precision] ?? 1;
  return (info) => milliseconds(from(info) * scale, to(info) * scale);
}
