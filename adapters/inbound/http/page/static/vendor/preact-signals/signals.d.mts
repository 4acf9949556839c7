// What of it is used here, for the type checker alone.
export interface Signal<T> {
  value: T;
  peek(): T;
  subscribe(listener: (value: T) => void): () => void;
}
export function signal<T>(initial: T): Signal<any>;
export function useSignal<T>(initial: T): Signal<any>;
export function computed<T>(compute: () => T): Signal<T>;
export function useComputed<T>(compute: () => T): Signal<T>;
export function effect(run: () => void | (() => void)): () => void;
export function useSignalEffect(run: () => void | (() => void)): void;
export function batch<T>(run: () => T): T;
