/**
 * One tapped stream as a file of each of Envoy's formats: a TraceWrapper (envoy/data/tap/v3) with
 * an HttpBufferedTrace, as JSON, binary or text. Pure; for the tap writer's thread.
 */
import type { TapFormat } from "../config/types.ts";

export interface TraceMessage {
  /** One code unit per byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** Milliseconds since the epoch; -1 = not recorded. */
  readonly receivedMs: number;
  readonly body: Buffer;
  readonly isTruncated: boolean;
}

export interface Trace {
  readonly request: TraceMessage;
  readonly response: TraceMessage | null;
  readonly connection: { readonly local: SocketName; readonly remote: SocketName } | null;
}

export interface SocketName {
  readonly ip: string;
  readonly port: number;
}

/** What names of files end with, as Envoy's. */
export const FILE_ENDINGS: Readonly<Record<TapFormat, string>> = {
  jsonBytes: "json",
  jsonString: "json",
  binary: "pb",
  delimited: "pb_length_delimited",
  text: "pb_text",
};

export function renderTrace(trace: Trace, format: TapFormat): Buffer {
  switch (format) {
    case "jsonBytes":
    case "jsonString":
      return Buffer.from(`${JSON.stringify(jsonOf(trace, format), null, 1)}\n`);
    case "text":
      return Buffer.from(textOf(fieldsOf(trace), ""));
    case "binary":
      return binaryOf(fieldsOf(trace));
    case "delimited": {
      const message = binaryOf(fieldsOf(trace));
      return Buffer.concat([varint(message.length), message]);
    }
  }
}

// --- JSON: fields without presence are always there, as in Envoy --------------------------------

function jsonOf(trace: Trace, format: TapFormat): object {
  const { request, response, connection } = trace;
  return {
    http_buffered_trace: {
      request: jsonMessage(request, format),
      ...(response === null ? {} : { response: jsonMessage(response, format) }),
      ...(connection === null
        ? {}
        : {
            downstream_connection: {
              local_address: jsonAddress(connection.local),
              remote_address: jsonAddress(connection.remote),
            },
          }),
    },
  };
}

function jsonMessage(message: TraceMessage, format: TapFormat): object {
  const { headers, trailers, body, isTruncated, receivedMs } = message;
  const bytes =
    format === "jsonBytes"
      ? { as_bytes: body.toString("base64") }
      : { as_string: body.toString("utf8") };
  return {
    headers: headers.map(jsonHeader),
    ...(body.length === 0 ? {} : { body: { ...bytes, truncated: isTruncated } }),
    trailers: trailers.map(jsonHeader),
    ...(receivedMs < 0 ? {} : { headers_received_time: new Date(receivedMs).toISOString() }),
  };
}

function jsonHeader([key, value]: readonly [string, string]): object {
  return { key: utf8Of(key), value: utf8Of(value), raw_value: "" };
}

function jsonAddress({ ip, port }: SocketName): object {
  const rest = { resolver_name: "", ipv4_compat: false, network_namespace_filepath: "" };
  return { socket_address: { protocol: "TCP", address: ip, port_value: port, ...rest } };
}

function utf8Of(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

// --- protobuf ------------------------------------------------------------------------------------

/** A field that is set: its number and name in the proto, and its value. */
type ProtoField = readonly [number: number, name: string, value: ProtoValue];
type ProtoValue = Buffer | number | boolean | readonly ProtoField[];

function fieldsOf({ request, response, connection }: Trace): readonly ProtoField[] {
  const trace: ProtoField[] = [[1, "request", messageFields(request)]];
  if (response !== null) trace.push([2, "response", messageFields(response)]);
  if (connection !== null) {
    const { local, remote } = connection;
    trace.push([
      3,
      "downstream_connection",
      [
        [1, "local_address", addressFields(local)],
        [2, "remote_address", addressFields(remote)],
      ],
    ]);
  }
  return [[1, "http_buffered_trace", trace]];
}

function messageFields(message: TraceMessage): readonly ProtoField[] {
  const { headers, trailers, body, isTruncated, receivedMs } = message;
  const fields = headers.map((header) => headerField(1, "headers", header));
  if (body.length > 0) {
    const bytes: ProtoField = [1, "as_bytes", body];
    fields.push([2, "body", isTruncated ? [bytes, [3, "truncated", true]] : [bytes]]);
  }
  for (const trailer of trailers) fields.push(headerField(3, "trailers", trailer));
  if (receivedMs >= 0) {
    const seconds = Math.floor(receivedMs / 1_000);
    const nanos = Math.floor((receivedMs - seconds * 1_000) * 1_000) * 1_000;
    const time: ProtoField[] = [[1, "seconds", seconds]];
    if (nanos > 0) time.push([2, "nanos", nanos]);
    fields.push([4, "headers_received_time", time]);
  }
  return fields;
}

function headerField(
  number: number,
  name: string,
  [key, value]: readonly [string, string],
): ProtoField {
  const fields: ProtoField[] = [[1, "key", Buffer.from(key, "latin1")]];
  if (value !== "") fields.push([2, "value", Buffer.from(value, "latin1")]);
  return [number, name, fields];
}

function addressFields({ ip, port }: SocketName): readonly ProtoField[] {
  const socket: readonly ProtoField[] = [
    [2, "address", Buffer.from(ip)],
    [3, "port_value", port],
  ];
  return [[1, "socket_address", socket]];
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

function binaryOf(fields: readonly ProtoField[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, , value]) => {
      if (typeof value === "number" || typeof value === "boolean") {
        return [varint((number << 3) | VARINT), varint(Number(value))];
      }
      const bytes = Buffer.isBuffer(value) ? value : binaryOf(value);
      return [varint((number << 3) | LENGTH_DELIMITED), varint(bytes.length), bytes];
    }),
  );
}

/** @param value an integer from 0 to 2^53 - 1 */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left > 127) {
    bytes.push((left % 128) | 128);
    left = Math.floor(left / 128);
  }
  bytes.push(left);
  return Buffer.from(bytes);
}

function textOf(fields: readonly ProtoField[], indent: string): string {
  return fields
    .map(([, name, value]) => {
      if (typeof value === "number" || typeof value === "boolean") {
        return `${indent}${name}: ${value}\n`;
      }
      if (Buffer.isBuffer(value)) return `${indent}${name}: "${escaped(value)}"\n`;
      return `${indent}${name} {\n${textOf(value, `${indent}  `)}${indent}}\n`;
    })
    .join("");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  '"': '\\"',
  "'": "\\'",
  "\\": "\\\\",
};

/** As protobuf's CEscape. */
function escaped(bytes: Buffer): string {
  return bytes
    .toString("latin1")
    .replace(
      /[^\x20\x21\x23-\x26\x28-\x5b\x5d-\x7e]/g,
      (byte) => ESCAPES[byte] ?? `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`,
    );
}
