import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressesOfFamily, type DnsAnswer, systemDns } from "../../../src/upstream/dns.ts";

const MIXED = ["10.0.0.1", "2001:db8::1", "10.0.0.2"];

describe("dns families", () => {
  test("auto takes IPv6, or IPv4 where there is none", () => {
    assert.deepEqual(addressesOfFamily(MIXED, "auto"), ["2001:db8::1"]);
    assert.deepEqual(addressesOfFamily(["10.0.0.1"], "auto"), ["10.0.0.1"]);
  });

  test("v4preferred takes IPv4, or IPv6 where there is none", () => {
    assert.deepEqual(addressesOfFamily(MIXED, "v4preferred"), ["10.0.0.1", "10.0.0.2"]);
    assert.deepEqual(addressesOfFamily(["::1"], "v4preferred"), ["::1"]);
  });

  test("the single families and all take what they say", () => {
    assert.deepEqual(addressesOfFamily(MIXED, "v4only"), ["10.0.0.1", "10.0.0.2"]);
    assert.deepEqual(addressesOfFamily(MIXED, "v6only"), ["2001:db8::1"]);
    assert.deepEqual(addressesOfFamily(MIXED, "all"), ["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
  });
});

describe("dns of this machine", () => {
  test("an IP literal is its own answer, given after the call has returned", async () => {
    let returned = false;
    const answer = await new Promise<DnsAnswer>((done) => {
      systemDns.resolve({ host: "192.0.2.7", family: "auto", wantTtl: false }, (found) => {
        assert.ok(returned);
        done(found);
      });
      returned = true;
    });
    assert.deepEqual(answer.addresses, ["192.0.2.7"]);
  });

  test("localhost is found without a name server", async () => {
    const answer = await new Promise<DnsAnswer>((done) => {
      systemDns.resolve({ host: "localhost", family: "v4preferred", wantTtl: false }, done);
    });
    assert.deepEqual(answer.addresses, ["127.0.0.1"]);
  });
});
