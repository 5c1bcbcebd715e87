/**
 * An independent gRPC server (grpc-js) with raw bytes as messages: `/t.Echo/<Method>`. The door to
 * that package.
 */
import {
  type ChannelOptions,
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

import { systemClock } from "../../src/base/clock.ts";

const raw = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  const codec = { requestSerialize: raw, requestDeserialize: raw };
  const answer = { responseSerialize: raw, responseDeserialize: raw };
  return { path: `/t.Echo/${name}`, requestStream, responseStream, ...codec, ...answer };
}

export const ECHO = {
  Unary: method("Unary", false, false),
  Fail: method("Fail", false, false),
  Slow: method("Slow", false, false),
  Server: method("Server", false, true),
  Client: method("Client", true, false),
  Bidi: method("Bidi", true, true),
} satisfies ServiceDefinition;

export class GrpcUpstream {
  /** Metadata of each unary request. */
  readonly metadata: Metadata[] = [];
  /** Calls that the client gave up, or whose time was up. */
  cancelled = 0;
  readonly #server = new Server();
  port = 0;

  static async listen(): Promise<GrpcUpstream> {
    const upstream = new GrpcUpstream();
    upstream.#server.addService(ECHO, upstream.#handlers());
    upstream.port = await new Promise<number>((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      upstream.#server.bindAsync("127.0.0.1:0", insecure, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    return upstream;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #handlers(): UntypedServiceImplementation {
    const unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
      this.metadata.push(call.metadata);
      const initial = new Metadata();
      initial.set("x-init-bin", Buffer.of(0, 1, 2));
      call.sendMetadata(initial);
      const tail = new Metadata();
      tail.set("x-tail", "t");
      done(null, Buffer.from(`echo:${call.request}`), tail);
    };
    const fail: handleUnaryCall<Buffer, Buffer> = (_, done) =>
      done({ code: 7, details: "not you: 100 % sure" });
    const server: handleServerStreamingCall<Buffer, Buffer> = (call) => {
      for (const text of ["a", "b", "c"]) call.write(Buffer.from(text));
      call.end();
    };
    const client: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
      const parts: string[] = [];
      call.on("data", (bytes: Buffer) => parts.push(bytes.toString()));
      call.on("end", () => done(null, Buffer.from(parts.join("+"))));
    };
    const bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
      call.on("data", (bytes: Buffer) => call.write(Buffer.from(`re:${bytes}`)));
      call.on("end", () => call.end());
    };
    const slow: handleUnaryCall<Buffer, Buffer> = (call) => {
      call.on("cancelled", () => this.cancelled++);
    };
    return { Unary: unary, Fail: fail, Slow: slow, Server: server, Client: client, Bidi: bidi };
  }
}

export interface GrpcAnswer {
  readonly answers: readonly string[];
  readonly code: number;
  readonly details: string;
  /** Trailing metadata of that name. */
  readonly tail: string;
}

const inMs = (ms: number): Date => new Date(systemClock.wallMs() + ms);

/** A client of grpc-js, with raw bytes as messages. */
export class GrpcClient extends Client {
  constructor(port: number, options: ChannelOptions = {}) {
    super(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  }

  /**
   * Sends all messages, then ends: on the wire every kind of call is this. `cancelsAt`: gives the call
   * up when so many answers are there.
   */
  exchange(
    path: string,
    messages: readonly string[],
    more: { readonly deadlineMs?: number; readonly cancelsAt?: number } = {},
  ): Promise<GrpcAnswer> {
    const deadline = more.deadlineMs === undefined ? {} : { deadline: inMs(more.deadlineMs) };
    const call = this.makeBidiStreamRequest(path, raw, raw, deadline);
    const answers: string[] = [];
    return new Promise((resolve) => {
      call.on("data", (bytes: Buffer) => {
        answers.push(bytes.toString());
        if (answers.length === more.cancelsAt) call.cancel();
      });
      call.on("error", () => undefined);
      call.on("status", ({ code, details, metadata }) =>
        resolve({ answers, code, details, tail: String(metadata.get("x-tail")) }),
      );
      for (const message of messages) call.write(Buffer.from(message));
      call.end();
    });
  }

  /** One message each way; rejects with the status. */
  unary(method: "Unary" | "Fail", message: string): Promise<{ text: string; tail: string }> {
    const { path, requestSerialize, responseDeserialize } = ECHO[method];
    return new Promise((resolve, reject) => {
      let text = "";
      const call = this.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        Buffer.from(message),
        (error, value) => {
          if (error !== null) reject(error);
          else text = String(value);
        },
      );
      call.on("status", ({ metadata }) => resolve({ text, tail: String(metadata.get("x-tail")) }));
    });
  }

  /** Sends the messages one after the other, each when the answer to the one before is there. */
  bidi(messages: readonly string[]): Promise<readonly string[]> {
    const { path, requestSerialize, responseDeserialize } = ECHO.Bidi;
    const call = this.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const answers: string[] = [];
    return new Promise((resolve, reject) => {
      const next = (): void => {
        const message = messages[answers.length];
        if (message === undefined) call.end();
        else call.write(Buffer.from(message));
      };
      call.on("data", (bytes: Buffer) => {
        answers.push(bytes.toString());
        next();
      });
      call.on("error", reject);
      call.on("end", () => resolve(answers));
      next();
    });
  }
}
