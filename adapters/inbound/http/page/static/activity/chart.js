/** Throughput as a line; what draws it is fetched with the first one. For screen readers it is a sentence. */

import { speed } from "../lib/format.js";
import { html, useEffect, useRef, useSignalEffect } from "../lib/html.js";
import { t, timeOfDay } from "../lib/i18n.js";

const HEIGHT = 180;
const VENDOR = new URL("../vendor/uplot/", import.meta.url);

/** Resolves to uPlot, whose published file is a script. */
function library() {
  if (window.uPlot) return Promise.resolve(window.uPlot);
  return new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("uPlot.min.css", VENDOR).href });
    const script = Object.assign(document.createElement("script"), { src: new URL("uPlot.iife.min.js", VENDOR).href });
    script.onload = () => resolve(window.uPlot);
    script.onerror = reject;
    document.head.append(style, script);
  });
}

export function Chart({ history }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    let isLeft = false;
    library().then((uPlot) => {
      if (isLeft) return;
      const { times, rates } = history.peek();
      plot.current = new uPlot(options(place.current), [times, rates], place.current);
    }, () => {});
    const resized = new ResizeObserver(([{ contentRect }]) => plot.current?.setSize({ width: contentRect.width, height: HEIGHT }));
    resized.observe(place.current);
    return () => {
      isLeft = true;
      resized.disconnect();
      plot.current?.destroy();
    };
  }, []);
  useSignalEffect(() => {
    const { times, rates } = history.value;
    plot.current?.setData([times, rates]);
  });
  const { rates } = history.value;
  const text = t("Now {now}, at most {most} in the last two minutes", { now: speed(rates.at(-1) ?? 0), most: speed(Math.max(0, ...rates)) });
  return html`<p class="overall">${text}</p><div class="chart" ref=${place} role="img" aria-label=${text}></div>`;
}

/** Three times of day fit on the narrowest screen, and none of them is cut off. */
const thirds = (_plot, _axis, from, to) => [1, 3, 5].map((part) => Math.round(from + ((to - from) * part) / 6));

function options(place) {
  const colour = (name) => getComputedStyle(place).getPropertyValue(name).trim();
  const axis = { font: "12px system-ui", stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1000, max * 1.1)] } },
    axes: [{ ...axis, splits: thirds, values: (_plot, seconds) => seconds.map((second) => timeOfDay(second * 1000)) }, { ...axis, size: 76, values: (_plot, values) => values.map((value) => speed(value)) }],
    series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--tint"), points: { show: false } }],
  };
}
