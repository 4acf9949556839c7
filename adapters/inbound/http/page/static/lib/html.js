/** What views are made of: preact's components, htm's templates, signals. Everything else imports them from here. */

import { h } from "../vendor/preact/preact.mjs";
import htm from "../vendor/htm/htm.mjs";

export { h, render } from "../vendor/preact/preact.mjs";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact/hooks.mjs";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "../vendor/preact-signals/signals.mjs";

export const html = htm.bind(h);
