// SPDX-License-Identifier: Apache-2.0
// The metrics of the engine's ops port, in the text format of Prometheus: what the console needs of
// them are histograms.

const LINE = /^(\w+?)_bucket\{(?:kind="(\w+)",)?le="([^"]+)"\} (\S+)$/;

/** "name kind" → [[upper bound in seconds, cumulated count]…] of a text. */
export function histograms(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (!match) continue;
    const [, name, kind, bound, count] = match;
    const key = kind ? `${name} ${kind}` : name;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push([bound === '+Inf' ? Infinity : Number(bound), Number(count)]);
  }
  return found;
}

/** What came between two looks at a histogram; all of it, where the engine began anew. */
export function between(now, before) {
  const last = (list) => list.at(-1)?.[1] ?? 0;
  if (!before || last(before) > last(now)) return now;
  return now.map(([bound, count], index) => [bound, count - before[index][1]]);
}

/** The bound below which that share of all lies; null if there are none. */
export function quantile(buckets, share) {
  const all = buckets.at(-1)?.[1] ?? 0;
  return all > 0 ? buckets.find(([, count]) => count >= all * share)[0] : null;
}
