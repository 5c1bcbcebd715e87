import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, Guest, inPhase, type Phase, ROOT_PHASES } from "./guest.ts";
import { streamWithMap } from "./maps.ts";

const target =
  (id: number) =>
  (guest: Guest): number =>
    guest.call("proxy_set_effective_context", id);

/** The `x` header that hostcalls see, or the status when there is none to see. */
function header(guest: Guest): string | number {
  const got = guest.fetch("proxy_get_header_map_value", 0, ...guest.put("x"));
  return got.status === 0 ? (got.text ?? "") : got.status;
}

/** A started guest with one stream that has header `x: name`, held in request headers. */
function withStream(name: string): { readonly guest: Guest; readonly id: number } {
  const guest = new Guest().on("proxy_on_request_headers", () => 1).start();
  const context = guest.open(streamWithMap([["x", name]]));
  context.onRequestHeaders(1, false);
  return { guest, id: context.id };
}

/** Runs `code` in the guest's next tick. */
function inTick<T>(guest: Guest, code: (guest: Guest) => T): T {
  const results: T[] = [];
  guest.on("tick", (inner) => {
    results.push(code(inner));
    return undefined;
  });
  guest.root.setTick(1);
  guest.thread.timers.advance(1);
  guest.root.setTick(0);
  return results[0] as T;
}

describe("proxy_set_effective_context works", () => {
  it("makes hostcalls act on a stream from a root's callback", () => {
    const { guest, id } = withStream("one");
    const got = inTick(guest, (inner) => [header(inner), target(id)(inner), header(inner)]);
    assert.deepEqual(got, [2, 0, "one"]);
  });

  it("makes hostcalls act on another stream, and on the root again", () => {
    const { guest, id } = withStream("one");
    const seen: (string | number)[] = [];
    guest.on("proxy_on_request_headers", (inner, [own]) => {
      for (const next of [id, own ?? 0, guest.root.id]) {
        assert.equal(target(next)(inner), 0);
        seen.push(header(inner));
      }
      return 0;
    });
    guest.open(streamWithMap([["x", "two"]])).onRequestHeaders(1, false);
    assert.deepEqual(seen, ["one", "two", 2]);
  });

  it("lasts for the callback alone", () => {
    const { guest, id } = withStream("one");
    inTick(guest, target(id));
    assert.equal(inTick(guest, header), 2);
  });
});

describe("proxy_set_effective_context misuse", () => {
  it("answers BadArgument for an id that does not exist, and changes nothing", () => {
    const { guest, id } = withStream("one");
    const got = inTick(guest, (inner) => [
      target(id)(inner),
      target(99)(inner),
      target(-1)(inner),
      header(inner),
    ]);
    assert.deepEqual(got, [0, 2, 2, "one"]);
  });

  it("answers BadArgument for a stream that is gone", () => {
    const { guest, id } = withStream("one");
    guest.vm.contexts.streams()[0]?.onDestroy();
    assert.equal(inTick(guest, target(id)), 2);
  });
});

describe("proxy_set_effective_context in every phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_request_headers", ...ENDED_PHASES];
  for (const phase of phases) {
    it(`answers BadArgument for an unknown id in ${phase}`, () => {
      assert.equal(inPhase(phase, target(1_000)), 2);
    });
  }
});

describe("proxy_set_effective_context edges", () => {
  it("survives a call of the allocator", () => {
    const { guest, id } = withStream("one");
    const got = inTick(guest, (inner) => {
      target(id)(inner);
      const allocate = inner.allocate;
      inner.allocate = (size) => {
        assert.equal(target(inner.root.id)(inner), 0);
        return allocate(size);
      };
      return [header(inner), header(inner)];
    });
    assert.deepEqual(got, ["one", "one"]);
  });

  it("leaves a stream that has ended without maps to change", () => {
    const { guest, id } = withStream("one");
    guest.vm.contexts.streams()[0]?.onLog();
    const got = inTick(guest, (inner) => [
      target(id)(inner),
      header(inner),
      inner.call("proxy_remove_header_map_value", 0, ...inner.put("x")),
    ]);
    assert.deepEqual(got, [0, "one", 2]);
  });
});
