/**
 * What the TAP output of `node --test` says of each test; suites are left out.
 */
export interface TestResult {
  readonly name: string;
  readonly passed: boolean;
  /** What the runner says of a failure. */
  readonly details: string;
}

export function resultsOf(tap: string): readonly TestResult[] {
  const results: TestResult[] = [];
  for (const part of tap.split(/^(?=\s*(?:not )?ok \d+ - )/m)) {
    const line = /^\s*(not )?ok \d+ - (.*)/.exec(part);
    if (line === null || /^\s*type: 'suite'$/m.test(part)) continue;
    const passed = line[1] === undefined;
    results.push({ name: line[2] ?? "", passed, details: passed ? "" : part });
  }
  return results;
}
