/**
 * A process that runs `granary dev FILE` and debugs its silo through Node's inspector, as editors
 * do: it sets a breakpoint at LINE of FILE by the source map, sends a request, and prints where the
 * filter stopped. Arguments: FILE LINE EXPRESSION.
 */
import { get } from "node:http";
import { Session } from "node:inspector";
import { SourceMap, type SourceMapPayload } from "node:module";
import { main } from "../../src/main/main.ts";

const [file = "", lineText = "", expression = ""] = process.argv.slice(2);
const line = Number(lineText);

interface WorkerEvent {
  readonly method?: string;
  readonly id?: number;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
}

/** What is called for each message of the silo's inspector. */
let onEvent: (event: WorkerEvent) => void = () => undefined;
let silo = "";
let lastId = 0;
const answers = new Map<number, (result: Record<string, unknown>) => void>();
const session = new Session();

/** `@types/node` does not know the domain of workers in full. */
type Post = (method: string, params: object, done: (error: Error | null) => void) => void;

function post(method: string, params: object = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    (session.post as unknown as Post).call(session, method, params, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

function ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
  lastId++;
  const message = JSON.stringify({ id: lastId, method, params });
  const answered = new Promise<Record<string, unknown>>((resolve) => answers.set(lastId, resolve));
  void post("NodeWorker.sendMessageToWorker", { sessionId: silo, message });
  return answered;
}

interface AttachedWorker {
  readonly params: { readonly sessionId: string; readonly workerInfo: { readonly url: string } };
}

session.on("NodeWorker.attachedToWorker", (event) => {
  const { params } = event as unknown as AttachedWorker;
  if (params.workerInfo.url.endsWith("/silo/silo.js")) silo = params.sessionId;
});
session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
  if (params.sessionId !== silo) return;
  const event: WorkerEvent = JSON.parse(params.message);
  if (event.id !== undefined) answers.get(event.id)?.(event.result ?? {});
  else onEvent(event);
});

interface Parsed {
  readonly scriptId: string;
  readonly url: string;
  readonly sourceMapURL: string;
}

/** The script of the filter, which was loaded before the debugger came. */
async function findScript(): Promise<Parsed> {
  const found = new Promise<Parsed>((resolve) => {
    onEvent = ({ method, params }) => {
      const script = params as unknown as Parsed;
      if (method === "Debugger.scriptParsed" && script.url.endsWith(".granary.cjs")) {
        resolve(script);
      }
    };
  });
  await ask("Debugger.enable");
  return found;
}

/** The place in the script that came from `line` of `file`. */
function placeOf(script: Parsed): { readonly lineNumber: number; readonly columnNumber: number } {
  const encoded = script.sourceMapURL.split("base64,")[1] ?? "";
  const payload: SourceMapPayload = JSON.parse(Buffer.from(encoded, "base64").toString());
  const map = new SourceMap(payload);
  for (let lineNumber = 0; lineNumber < 10_000; lineNumber++) {
    for (let columnNumber = 0; columnNumber < 80; columnNumber++) {
      const entry = map.findEntry(lineNumber, columnNumber);
      if (!("originalSource" in entry)) continue;
      const isFile = new URL(entry.originalSource, script.url).pathname === file;
      if (isFile && entry.originalLine === line - 1 && entry.generatedLine === lineNumber) {
        return { lineNumber, columnNumber: entry.generatedColumn };
      }
    }
  }
  throw new Error(`nothing in the script comes from ${file}:${line}`);
}

async function debug(port: number): Promise<void> {
  session.connect();
  await post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  const script = await findScript();
  const location = placeOf(script);
  const { breakpointId } = await ask("Debugger.setBreakpointByUrl", {
    url: script.url,
    ...location,
  });
  const paused = new Promise<Record<string, unknown>>((resolve) => {
    onEvent = ({ method, params }) => {
      if (method === "Debugger.paused") resolve(params ?? {});
    };
  });
  const answered = new Promise<number>((resolve) => {
    get({ host: "127.0.0.1", port, path: "/stop-here", agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
  });
  const { callFrames, hitBreakpoints } = await paused;
  const [frame] = callFrames as { readonly functionName: string; readonly callFrameId: string }[];
  const { result } = await ask("Debugger.evaluateOnCallFrame", {
    callFrameId: frame?.callFrameId,
    expression,
  });
  await ask("Debugger.resume");
  const report = {
    isOurBreakpoint: (hitBreakpoints as string[])[0] === breakpointId,
    functionName: frame?.functionName,
    value: (result as { readonly value?: unknown }).value,
    status: await answered,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

process.exit(
  await main(["dev", file, "--port", "0"], {
    onServing: ({ listeners }) => {
      void debug(listeners[0]?.address.port ?? 0).finally(() =>
        process.kill(process.pid, "SIGTERM"),
      );
    },
  }),
);
