/**
 * Which functions of a metered module take fuel. Not all must: work that is never paid for has to
 * be small, and what repeats has to pass one that pays. So these pay: functions with loops and with
 * calls through tables, one function of each circle of direct calls, and those that do much by
 * themselves and by what they call. Small ones with few calls pay before these alone: where a
 * recursion ends, nothing is paid, and who called it has paid for it.
 */

export interface CallNode {
  /** Bytes of the body. */
  readonly byteSize: number;
  /** It has a loop, or calls something that is only known when it runs. */
  readonly pays: boolean;
  /** Where it pays, it does so before its calls instead of at its entry. */
  readonly paysAtCalls: boolean;
  /** Functions that it calls by name, by place in the list of nodes. */
  readonly callees: readonly number[];
}

/** Bytes of code that one unpaid call may run through: less than a microsecond. */
const UNPAID_BYTES = 512;
/** Of a function that pays before its calls: what its callers pay for it. */
export const BYTES_BEFORE_CALLS_MAX = 128;

const UNSEEN = 0;
const OPEN = 1;
const DONE = 2;

/**
 * What each function pays for: bytes of code, its own and of what it calls that pays
 * nothing itself; 0 = it pays nothing. Takes time in proportion to the calls in the code.
 */
export function paidBytes(nodes: readonly CallNode[]): Float64Array {
  const paid = new Float64Array(nodes.length);
  const weights = new Float64Array(nodes.length);
  const pays = Uint8Array.from(nodes, (node) => (node.pays ? 1 : 0));
  const states = new Uint8Array(nodes.length);
  // Walked depth first, without recursion: chains of calls may be as long as the module.
  const path: number[] = [];
  const nextCallee: number[] = [];
  const enter = (index: number): void => {
    states[index] = OPEN;
    path.push(index);
    nextCallee.push(0);
  };
  for (let root = 0; root < nodes.length; root++) {
    if (states[root] === UNSEEN) enter(root);
    while (path.length > 0) {
      const at = path.length - 1;
      const index = path[at] as number;
      const node = nodes[index] as CallNode;
      const callee = node.callees[nextCallee[at] as number];
      if (callee !== undefined) {
        nextCallee[at] = (nextCallee[at] as number) + 1;
        if (states[callee] === UNSEEN) enter(callee);
        else if (states[callee] === OPEN) pays[callee] = 1;
        continue;
      }
      const weight = node.byteSize + unpaidWeight(node, { nodes, pays, weights });
      if (weight > UNPAID_BYTES) pays[index] = 1;
      weights[index] = weight;
      if (pays[index] === 1) paid[index] = Math.max(1, weight);
      states[index] = DONE;
      path.pop();
      nextCallee.pop();
    }
  }
  return paid;
}

interface Walked {
  readonly nodes: readonly CallNode[];
  readonly pays: Uint8Array;
  readonly weights: Float64Array;
}

/** What `node` runs through by calls that may pay nothing. */
function unpaidWeight(node: CallNode, { nodes, pays, weights }: Walked): number {
  let weight = 0;
  for (const callee of node.callees) {
    const called = nodes[callee];
    if (pays[callee] === 0) weight += weights[callee] ?? 0;
    else if (called?.paysAtCalls === true) weight += called.byteSize;
  }
  return weight;
}
