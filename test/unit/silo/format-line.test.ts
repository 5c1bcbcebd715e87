import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFormat } from "../../../src/config/format.ts";
import type { JsonFormat, ListenerConfig } from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { compileWhole } from "../../../src/silo/format-line.ts";
import { StreamInfo } from "../../../src/silo/stream-info.ts";

function string(text: string): JsonFormat {
  const parsed = parseFormat(text);
  if ("error" in parsed) throw new Error(parsed.error);
  return { kind: "string", format: parsed.format };
}

const ODD = 'quote " slash \\ tab \t nul \0 high \xff del \x7f';

const FORMAT: JsonFormat = {
  kind: "object",
  fields: [
    ['a"b', string("%REQ(x-odd)%")],
    ["absent", string("%REQ(x-none)%")],
    ["code", string("%RESPONSE_CODE%")],
    ["empty", string("")],
    ["grpc", string("%GRPC_STATUS(NUMBER)%")],
    ["list", { kind: "array", items: [string("%REQ(x-none)%"), string("%BYTES_SENT%")] }],
    ["literal", { kind: "literal", value: 1.5 }],
    ["mixed", string("<%REQ(x-none)%>")],
    ["nested", { kind: "object", fields: [["none", string("%REQ(x-none)%")]] }],
    ["nothing", { kind: "literal", value: null }],
    ["part", string("%REQ(x-odd):5%")],
    ["yes", { kind: "literal", value: true }],
  ],
};

function line(json: JsonFormat, empty: "show" | "omit"): string {
  const end = { remotePort: 1, directIp: "::1", directPort: 1, localIp: "::1", localPort: 1 };
  const client = { id: 1, remoteIp: "::1", tls: null, ...end };
  const info = new StreamInfo({} as ListenerConfig, client, 1);
  info.requestHeaders = HeaderMap.of([["x-odd", ODD]]);
  info.responseHeaders = HeaderMap.of([["grpc-status", "no number"]]);
  info.responseCode = 200;
  return compileWhole({ kind: "json", json }, empty)(info);
}

test("a JSON line is as JSON.stringify makes it, in the order of the format", () => {
  const whole = {
    'a"b': ODD,
    absent: null,
    code: 200,
    empty: "",
    grpc: null,
    list: [null, 0],
    literal: 1.5,
    mixed: "<->",
    nested: { none: null },
    nothing: null,
    part: "quote",
    yes: true,
  };
  assert.equal(line(FORMAT, "show"), `${JSON.stringify(whole)}\n`);
});

test("empty values are left out of objects, and stay in lists", () => {
  const whole = {
    'a"b': ODD,
    code: 200,
    empty: "",
    grpc: null,
    list: [null, 0],
    literal: 1.5,
    mixed: "<>",
    nested: {},
    part: "quote",
    yes: true,
  };
  assert.equal(line(FORMAT, "omit"), `${JSON.stringify(whole)}\n`);
  assert.equal(line({ kind: "object", fields: [] }, "show"), "{}\n");
});
