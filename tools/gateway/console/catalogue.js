// SPDX-License-Identifier: Apache-2.0
// Places and channels: they change rarely, so they are asked for once a minute at most.
import { call } from './api.js';

const FRESH_MS = 60_000;
let known = null,
  asked = 0;

export function forgetCatalogue() {
  known = null;
}

/** {locations, channels, names: code → name} of what this token may see. */
export async function catalogue(signal) {
  if (known && Date.now() - asked < FRESH_MS) return known;
  const [{ locations }, { channels }] = await Promise.all([
    call('locations', {}, signal),
    call('channels', {}, signal),
  ]);
  const names = new Map();
  for (const { code, name } of [...locations, ...channels]) if (name) names.set(code, name);
  known = { locations, channels, names };
  asked = Date.now();
  return known;
}

/** Whether a channel sells from a place: by its code, by a group, or because it names none. */
export function sellsFrom(channel, location) {
  const { locations } = channel;
  return (
    location.active &&
    (!locations.length ||
      locations.includes(location.code) ||
      location.groups.some((group) => locations.includes(group)))
  );
}
