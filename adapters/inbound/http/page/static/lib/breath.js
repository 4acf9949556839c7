/** In the midst of long work: lets the browser draw and hear the person, then goes on. */

/** A timer where there is nothing better: it comes back later than it could. */
export const breath = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));
