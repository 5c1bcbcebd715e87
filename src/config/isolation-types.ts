/** What a plugin may use up, and what becomes of one that keeps failing. See ADR 040. */

export interface IsolationConfig {
  /** Linear memory of one VM. */
  readonly memoryBytesMax: number;
  /**
   * Linear memory of this plugin's VMs in all silos together, those that wait included; 0 = none
   * beyond the former. Two versions of its code have one each while they live side by side.
   */
  readonly memoryTotalBytesMax: number;
  /** Time that one callback may take; 0 = unlimited. */
  readonly cpuBudgetMs: number;
  /** The same for a plugin's start: entry point, proxy_on_vm_start, proxy_on_configure. */
  readonly startBudgetMs: number;
  /** The same for single callbacks, by name. */
  readonly callbackBudgetsMs: Readonly<Record<string, number>>;
  /** A VM that fails this often within the window is not made anew for as long as the window. */
  readonly crashesMax: number;
  readonly crashWindowMs: number;
  /** Callbacks of streams that may wait for one suspended call; more get the plugin's policy. */
  readonly waitingCallsMax: number;
  /** Time that one await may take; 0 = unlimited. */
  readonly suspensionMsMax: number;
  /** VMs of a plugin with coroutines on each silo: at least, at most. */
  readonly vmPoolMin: number;
  readonly vmPoolMax: number;
  /** One beyond the least number is closed when nobody has needed it for so long. */
  readonly vmPoolIdleMs: number;
  /** Ed25519 keys, one of which must have signed the code; null = it need not be signed. */
  readonly publicKeys: readonly string[] | null;
  /** How long a handler of a script may wait; 0 = as long as it wants. */
  readonly handlerWaitMsMax: number;
  /** A started VM waits for the one that serves to fail. */
  readonly hasStandby: boolean;
}

/** What the metadata of one place says; all of it for every plugin, and more by plugin name. */
export interface IsolationLayer {
  readonly common: Partial<IsolationConfig>;
  readonly plugins: Readonly<Record<string, Partial<IsolationConfig>>>;
}
