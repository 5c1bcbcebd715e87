/** Plugins that come and go in a VM while a call of it is suspended. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PluginConfig } from "../../../../src/config/types.ts";
import { SUSPENDED } from "../../../../src/vm/types.ts";
import { settled, slept, startCoroutines, WAYS } from "../../../harness/coroutine-guest.ts";
import { FakeStream } from "../../../harness/fake-roles.ts";
import { A, CONTINUE } from "../../../harness/scripted-guest.ts";

for (const way of WAYS) {
  describe(`${way}: while a call is suspended`, () => {
    for (const vmPoolMax of [1, 8]) {
      test(`another plugin starts with the same code, in a pool of ${vmPoolMax}`, async () => {
        const fixture = await startCoroutines(
          way,
          (script) => ({
            proxy_on_configure: [script.note("configured"), "(i32.const 1)"],
            proxy_on_request_headers: [`(drop ${slept(A)})`, CONTINUE],
            proxy_on_done: [script.note("done"), "(i32.const 1)"],
          }),
          { vmPoolMax },
        );
        const { host, thread } = fixture;
        const old = fixture.request(100);
        assert.equal(old.status, SUSPENDED);
        const next: PluginConfig = { ...fixture.plugin.config, pluginKey: "next" };
        assert.deepEqual(host.stage([next], new Map()), []);
        host.retain([next]);
        const stream = new FakeStream();
        const context = host.plugin(next).createStream(stream);
        context?.enter();
        assert.equal(context?.onRequestHeaders(10, true), SUSPENDED);
        await fixture.pass(10);
        assert.deepEqual(stream.calls, ["settle 1 0"]);
        await fixture.pass(90);
        assert.deepEqual(old.stream.calls, ["settle 1 0"]);
        fixture.said();
        old.context.onDestroy();
        await settled();
        await fixture.pass(0);
        assert.deepEqual(
          fixture.said().map((line) => line.replace(/ \d+ 0$/, "")),
          ["done", "done"],
        );
        // The new plugin stays where it is, idle as it may be.
        context?.onDestroy();
        for (let i = 0; i < 20; i++) await fixture.pass(30_000);
        assert.equal(host.vmCount, 1);
        const again = host.plugin(next).createStream(new FakeStream());
        again?.enter();
        assert.equal(again?.onRequestHeaders(0, true), 0);
        assert.ok(!thread.vmEventLines.some((line) => line.startsWith("failed")));
      });
    }
  });
}
