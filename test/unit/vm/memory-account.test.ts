import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ISOLATION_DEFAULTS } from "../../../src/config/compile-isolation.ts";
import { Quota } from "../../../src/shm/quota.ts";
import { MemoryAccount, PAGE_BYTES } from "../../../src/vm/memory-account.ts";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { guestText } from "../../harness/guest-source.ts";
import { rewritten } from "../../harness/metered.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../harness/plugin-fixture.ts";
import { compileWat } from "../../harness/wat.ts";

describe("the account of a VM", () => {
  const accountOf = (limit: number, pagesMax: number) => {
    const quota = Quota.create(limit);
    let refused = 0;
    const account = new MemoryAccount({ quota, seat: 3 }, pagesMax * PAGE_BYTES, () => {
      refused++;
    });
    return { quota, account, refused: () => refused };
  };

  it("counts growth alone, and tells of each refusal", () => {
    const { quota, account, refused } = accountOf(10, 20);
    assert.deepEqual([account.claim(4), account.claim(4), account.claim(3)], [true, true, true]);
    assert.equal(quota.used, 4);
    assert.deepEqual([account.claim(11), account.claim(10)], [false, true]);
    assert.deepEqual([quota.used, refused()], [10, 1]);
  });

  it("does not count what the engine refuses, or did refuse", () => {
    const { quota, account } = accountOf(100, 20);
    account.claim(4);
    assert.equal(account.claim(21), true);
    assert.equal(quota.used, 4);
    account.claim(15);
    account.settle(4);
    assert.equal(quota.used, 4);
  });

  it("gives all back at the end, and takes nothing any more", () => {
    const { quota, account } = accountOf(10, 20);
    account.claim(4);
    account.close();
    assert.deepEqual([quota.used, account.claim(5), quota.used], [0, false, 0]);
  });
});

/** Each request takes 10 pages more, each body traps. A memory has one page at its start. */
const GUEST = guestText({
  callbacks: {
    proxy_on_request_headers: `(if (i32.eq (memory.grow (i32.const 10)) (i32.const -1))
      (then (return (i32.const 1)))) (i32.const 0)`,
    proxy_on_request_body: "(unreachable)",
  },
});

/** The same plugin on several silos. */
function silos(count: number, totalPages: number) {
  const quota = Quota.create(totalPages);
  const module = new WebAssembly.Module(rewritten(compileWat(GUEST), { growth: "asked" }));
  const isolation = {
    ...ISOLATION_DEFAULTS,
    memoryTotalBytesMax: totalPages * PAGE_BYTES,
    hasStandby: false,
  };
  const hosts = Array.from({ length: count }, (_, seat) => {
    const config = pluginConfig({ isolation });
    const thread = new FakeThread();
    const modules = new Map([[CODE_SHA, { module, quota: quota.region }]]);
    const roles = {
      config: configWith([config]),
      roles: thread,
      singletons: "here",
      seat,
    } as const;
    const host = createPluginHost({ ...roles, modules });
    const problems = host.start();
    const grow = (): boolean =>
      host.plugin(config).createStream(new FakeStream())?.onRequestHeaders(1, true) === 0;
    const die = (): void => {
      host.plugin(config).createStream(new FakeStream())?.onRequestBody(0, true);
    };
    return { host, thread, problems, grow, die };
  });
  return { quota, hosts };
}

describe("the total of a plugin's memory", () => {
  it("is that of its VMs on all silos: memory.grow fails beyond it", () => {
    const { quota, hosts } = silos(2, 30);
    const [one, other] = hosts;
    assert.equal(quota.used, 2);
    assert.deepEqual(
      [one?.grow(), other?.grow(), one?.grow(), other?.grow()],
      [true, true, false, false],
    );
    assert.equal(quota.used, 22);
    assert.deepEqual(one?.thread.vmEventLines.at(-1), "memory refused plugin");
    const report = one?.host.report()[0];
    assert.equal(report?.memoryTotalBytes, 22 * PAGE_BYTES);
    assert.equal(report?.memoryTotalBytesMax, 30 * PAGE_BYTES);
  });

  it("has room again when a VM has died", () => {
    const { hosts } = silos(2, 30);
    const [one, other] = hosts;
    assert.deepEqual([one?.grow(), one?.grow(), other?.grow()], [true, true, false]);
    one?.die();
    assert.deepEqual([other?.grow(), other?.grow()], [true, true]);
  });

  it("keeps a VM from starting when what is left is less than its first memory", () => {
    const { hosts } = silos(3, 2);
    assert.deepEqual(
      hosts.map(({ problems }) => problems.join()),
      ["", "", 'plugin "plugin": its memory is more than the plugin\'s total has left'],
    );
  });
});
