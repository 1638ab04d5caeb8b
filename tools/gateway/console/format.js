// SPDX-License-Identifier: Apache-2.0
// Numbers and times for people, in their language and time zone.
import { currentLanguage, t } from './i18n.js';

const made = new Map();

/** The browser's own variant of the language, such as en-GB: it knows how dates are written. */
function variant() {
  const language = currentLanguage();
  return navigator.languages?.find((tag) => tag.slice(0, 2) === language) ?? language;
}

function formatter(kind, options) {
  const key = JSON.stringify([kind, currentLanguage(), options]);
  if (!made.has(key)) made.set(key, new Intl[kind](variant(), options));
  return made.get(key);
}

export function number(value, digits = 0) {
  if (value === null || value === undefined) return t('none');
  return formatter('NumberFormat', { maximumFractionDigits: digits }).format(value);
}

/** Units of an item, which are whole numbers of 10^-decimals of its unit. */
export function units(value, item) {
  if (value === null || value === undefined) return t('none');
  const decimals = item?.decimals ?? 0;
  const shown = formatter('NumberFormat', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(value / 10 ** decimals);
  return item?.unit ? `${shown}\u00a0${item.unit}` : shown;
}

export function signed(value, item) {
  return (value > 0 ? '+' : value < 0 ? '\u2212' : '') + units(Math.abs(value), item);
}

export function share(value) {
  return formatter('NumberFormat', { style: 'percent', maximumFractionDigits: 1 }).format(value);
}

/** How many units a cell of a report has: most are whole, shares and means are not. */
export function figure(value) {
  return Number.isInteger(value) ? number(value) : number(value, 3);
}

export function bytes(value) {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let step = 0;
  for (; value >= 1024 && step < names.length - 1; step++) value /= 1024;
  return `${number(value, step ? 1 : 0)}\u00a0${names[step]}`;
}

export function time(ms) {
  if (!ms) return t('none');
  return formatter('DateTimeFormat', { dateStyle: 'medium', timeStyle: 'short' }).format(ms);
}

export function clock(ms) {
  return formatter('DateTimeFormat', { timeStyle: 'medium' }).format(ms);
}

/** "2 h 5 min": a duration, in its two greatest units. */
export function duration(ms) {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const parts = [
    [86400, 'unit.d'],
    [3600, 'unit.h'],
    [60, 'unit.min'],
    [1, 'unit.s'],
  ];
  let rest = seconds;
  const said = [];
  for (const [size, key] of parts) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || (size === 1 && !said.length)) said.push(`${number(count)}\u00a0${t(key)}`);
    if (said.length === 2) break;
  }
  return said.join(' ');
}

/** "in 5 min" or "5 min ago". */
export function away(ms) {
  const far = ms - Date.now();
  return t(far >= 0 ? 'time.in' : 'time.ago', { time: duration(far) });
}

export function micros(us) {
  return us < 1000 ? `${number(us)}\u00a0µs` : `${number(us / 1000, us < 10000 ? 1 : 0)}\u00a0ms`;
}
