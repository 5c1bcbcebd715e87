/**
 * What one conformance case is: a request, what the upstream answers, and what client and upstream
 * then see. Plain data, so that any host can be measured by it. The toolbox filters in
 * examples/filters read the case's name from the request header `x-test`.
 */
export type Sdk = "rust" | "go" | "assemblyscript" | "typescript";
export const SDKS: readonly Sdk[] = ["rust", "go", "assemblyscript", "typescript"];

export type LogLevelName = "trace" | "debug" | "info" | "warn" | "error" | "critical";

/** A text that must be equal, or a regular expression's source that must match all of it. */
export type Pattern = string | { readonly matches: string };

/** All values of a header in order; one pattern stands for one value; null = must be absent. */
export type HeaderPatterns = Readonly<Record<string, Pattern | readonly Pattern[] | null>>;

/** How a body is framed: `none` sends no body and no framing header. */
export type Framing = "none" | "length" | "chunked";

export interface CaseMessage {
  readonly headers: readonly (readonly [string, string])[];
  /** Chunked: every part is one chunk, flushed before the next. Otherwise they are joined. */
  readonly parts: readonly string[];
  readonly framing: Framing;
}

export interface CaseRequest extends CaseMessage {
  readonly method: string;
  readonly path: string;
}

export interface CaseResponse extends CaseMessage {
  readonly status: number;
}

export interface UpstreamSees {
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderPatterns;
  readonly body: string;
}

export interface Expectation {
  /** `reset`: the connection ends before the response is whole. */
  readonly outcome: "answer" | "reset";
  /** 0 when no response head is expected. */
  readonly status: number;
  readonly headers: HeaderPatterns;
  readonly body: Pattern;
  /** Null: no whole request may reach the upstream (its head may, when the body is refused). */
  readonly upstream: UpstreamSees | null;
  /** Lines that the proxy's log must contain, each with this text at this level. */
  readonly log: readonly { readonly level: LogLevelName; readonly text: string }[];
  /** Admin statistics afterwards; `positive` for what depends on time. */
  readonly stats: Readonly<Record<string, number | "positive">>;
}

export interface ConformanceCase {
  readonly name: string;
  /** A sentence: what the case shows. */
  readonly shows: string;
  /** Text of the plugin's `fail_open`. */
  readonly failOpen: boolean;
  /** The VM traps: whoever runs several cases gives the next one a new VM. */
  readonly endsVm: boolean;
  readonly request: CaseRequest;
  readonly response: CaseResponse;
  readonly expect: Expectation;
  /** What differs by SDK: other expectations, or null = the SDK cannot do the case. */
  readonly exceptions: Readonly<Partial<Record<Sdk, CaseException>>>;
}

export interface CaseException {
  readonly reason: string;
  readonly expect: Partial<Expectation> | null;
}

export interface CaseParts {
  readonly failOpen?: boolean;
  readonly endsVm?: boolean;
  readonly request?: Partial<CaseRequest>;
  readonly response?: Partial<CaseResponse>;
  /** `upstream` is merged over what the upstream sees of an untouched request. */
  readonly expect?: Omit<Partial<Expectation>, "upstream"> & {
    readonly upstream?: Partial<UpstreamSees> | null;
  };
  readonly exceptions?: ConformanceCase["exceptions"];
}

/** Stands for the SDK's name in expected headers: each toolbox signs with its own. */
export const SDK_NAME = "<sdk>";

/** Every response that passed the toolbox carries its signature. */
export const SIGNED: HeaderPatterns = { "x-toolbox": SDK_NAME };

const PLAIN_RESPONSE: CaseResponse = {
  status: 200,
  headers: [["x-upstream", "yes"]],
  parts: ["hello"],
  framing: "length",
};

/** A request body of two parts, with its length or in chunks; and such a response. */
export const POST: NonNullable<CaseParts["request"]> = {
  method: "POST",
  parts: ["some ", "body"],
  framing: "length",
};
export const POST_CHUNKED: NonNullable<CaseParts["request"]> = { ...POST, framing: "chunked" };
export const CHUNKED: NonNullable<CaseParts["response"]> = {
  parts: ["some ", "answer"],
  framing: "chunked",
};

/** Fills in what a case does not say: GET, untouched, answered 200 `hello`. */
export function conformanceCase(name: string, shows: string, parts: CaseParts): ConformanceCase {
  const request: CaseRequest = {
    method: "GET",
    path: `/conformance/${name}?a=1&b=2`,
    parts: [],
    framing: "none",
    ...parts.request,
    headers: [["x-test", name], ...(parts.request?.headers ?? [])],
  };
  const response: CaseResponse = { ...PLAIN_RESPONSE, ...parts.response };
  const { upstream, ...expect } = parts.expect ?? {};
  const untouched: UpstreamSees = {
    method: request.method,
    path: request.path,
    headers: {},
    body: request.parts.join(""),
  };
  return {
    name,
    shows,
    failOpen: parts.failOpen ?? false,
    endsVm: parts.endsVm ?? false,
    request,
    response,
    expect: {
      outcome: "answer",
      status: response.status,
      body: response.parts.join(""),
      log: [],
      stats: {},
      ...expect,
      headers: { ...SIGNED, ...expect.headers },
      upstream: upstream === null ? null : { ...untouched, ...upstream },
    },
    exceptions: parts.exceptions ?? {},
  };
}

/** What the case expects of this SDK, signature filled in; null when the SDK cannot do it. */
export function expectationFor(testCase: ConformanceCase, sdk: Sdk): Expectation | null {
  const exception = testCase.exceptions[sdk];
  if (exception?.expect === null) return null;
  const expect = { ...testCase.expect, ...exception?.expect };
  const headers: Record<string, Pattern | readonly Pattern[] | null> = {};
  for (const [name, value] of Object.entries(expect.headers)) {
    headers[name] = value === SDK_NAME ? sdk : value;
  }
  return { ...expect, headers };
}

/** True when `text` is what the pattern wants. */
export function matchesPattern(pattern: Pattern, text: string): boolean {
  if (typeof pattern === "string") return text === pattern;
  return new RegExp(`^(?:${pattern.matches})$`, "s").test(text);
}
