/** What the tests of header-map hostcalls share: streams with maps, and pairs blocks. */
import { HeaderMap } from "../../src/http/header-map.ts";
import { FakeStream } from "../harness/fake-roles.ts";
import type { Phase } from "./guest.ts";

export type Entries = readonly (readonly [string, string])[];

/** A stream whose map `type` has the given entries and can be changed. */
export function streamWithMap(entries: Entries, type = 0): FakeStream {
  const stream = new FakeStream();
  stream.maps[type] = HeaderMap.of(entries);
  stream.writableMaps.add(type);
  return stream;
}

export function entriesOf(stream: FakeStream, type = 0): Entries {
  return stream.maps[type]?.entries() ?? [];
}

/** The block of ABI 3.4, made here by hand and not by the codec under test. */
export function block(entries: Entries): Buffer {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const lengths = entries.flatMap(([name, value]) => [u32(name.length), u32(value.length)]);
  const texts = entries.flatMap(([name, value]) => [Buffer.from(`${name}\0${value}\0`, "latin1")]);
  return Buffer.concat([u32(entries.length), ...lengths, ...texts]);
}

/** Every map of a stream with the callback in which guests change it. */
export const MAP_PHASES: readonly (readonly [type: number, phase: Phase])[] = [
  [0, "proxy_on_request_headers"],
  [1, "proxy_on_request_trailers"],
  [2, "proxy_on_response_headers"],
  [3, "proxy_on_response_trailers"],
];

/** A stream that has no map to read or change. */
export function streamWithoutMaps(): FakeStream {
  const stream = new FakeStream();
  stream.maps.fill(null);
  stream.writableMaps.clear();
  return stream;
}

/** A stream whose request headers are readable but have gone on. */
export function streamReadOnly(entries: Entries): FakeStream {
  const stream = streamWithMap(entries);
  stream.writableMaps.clear();
  return stream;
}
