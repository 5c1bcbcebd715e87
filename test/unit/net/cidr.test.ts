import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBytes, Cidr } from "../../../src/net/cidr.ts";

function contains(range: string, address: string): boolean {
  const [prefix = "", length = ""] = range.split("/");
  const bytes = addressBytes(address);
  return bytes !== null && new Cidr({ address: prefix, length: Number(length) }).contains(bytes);
}

test("a range contains the addresses that begin alike", () => {
  const rows: [string, string, boolean][] = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["192.168.4.0/23", "192.168.5.9", true],
    ["192.168.4.0/23", "192.168.6.0", false],
    ["0.0.0.0/0", "1.2.3.4", true],
    ["0.0.0.0/0", "::1", false],
    ["1.2.3.4/32", "1.2.3.5", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::1/128", "::1", true],
    ["10.0.0.0/8", "::ffff:10.1.1.1", true],
    ["fe80::/10", "fe80::1%eth0", true],
  ];
  for (const [range, address, expected] of rows) {
    assert.equal(contains(range, address), expected, `${range} ${address}`);
  }
});

test("addresses are read in all their spellings", () => {
  const hex = (text: string): string => Buffer.from(addressBytes(text) ?? []).toString("hex");
  assert.equal(hex("1.2.3.4"), "01020304");
  assert.equal(hex("::"), "0".repeat(32));
  assert.equal(hex("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
  assert.equal(hex("1::8"), `0001${"0".repeat(24)}0008`);
  assert.equal(hex("64:ff9b::1.2.3.4"), `0064ff9b${"0".repeat(16)}01020304`);
  assert.equal(addressBytes("a.test"), null);
});
