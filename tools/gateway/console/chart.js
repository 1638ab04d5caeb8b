// SPDX-License-Identifier: Apache-2.0
// Small charts, drawn as SVG. Each has a text that says what it shows: the numbers themselves are
// in the table or tile beside it.
import { s, h } from './dom.js';
import { number } from './format.js';

/** A line over the last samples, without axes. */
export function spark(values, label, width = 120, height = 28) {
  const known = values.filter((value) => value !== null);
  const top = Math.max(1, ...known),
    step = width / Math.max(1, values.length - 1);
  let path = '',
    pen = false;
  values.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = (index * step).toFixed(1),
      y = (height - 2 - (value / top) * (height - 4)).toFixed(1);
    path += `${pen ? 'L' : 'M'}${x} ${y}`;
    pen = true;
  });
  return s(
    'svg',
    {
      class: 'spark',
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': label,
      preserveAspectRatio: 'none',
    },
    path && s('path', { d: path }),
  );
}

/** A round number of at least `value`, for the top of an axis. */
export function roundUp(value) {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((step) => step >= value);
}

function axis(top, width, height, left, bottom) {
  return [0, 0.5, 1].map((part) => {
    const y = 8 + (height - bottom - 8) * (1 - part);
    return [
      s('line', { class: 'grid', x1: left, x2: width, y1: y, y2: y }),
      s(
        'text',
        { class: 'tick', x: left - 6, y: y + 4, 'text-anchor': 'end' },
        number(top * part, top < 4 ? 1 : 0),
      ),
    ];
  });
}

/** Bars over time: columns in the order of their keys. rows: [key, value] */
export function columns(rows, label) {
  const width = 720,
    height = 220,
    left = 56,
    bottom = 26;
  const top = roundUp(Math.max(0, ...rows.map(([, value]) => value)));
  const slot = (width - left) / Math.max(1, rows.length),
    every = Math.ceil(rows.length / 8);
  const drawn = rows.map(([key, value], index) => {
    const tall = Math.max(0, (value / top) * (height - bottom - 8));
    const x = left + index * slot;
    return [
      s(
        'rect',
        {
          class: 'bar',
          x: x + slot * 0.12,
          width: slot * 0.76,
          y: height - bottom - tall,
          height: tall,
        },
        s('title', null, `${key}: ${number(value, 2)}`),
      ),
      index % every === 0 &&
        s(
          'text',
          { class: 'tick', x: x + slot / 2, y: height - 8, 'text-anchor': 'middle' },
          String(key).slice(0, 13),
        ),
    ];
  });
  return s(
    'svg',
    { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    axis(top, width, height, left, bottom),
    drawn,
  );
}

/** Bars beside their names: the longest first. */
export function bars(rows, label, text = (value) => number(value, 2)) {
  const top = Math.max(1, ...rows.map(([, value]) => Math.abs(value)));
  return h(
    'div',
    { class: 'bars', role: 'img', 'aria-label': label },
    rows.map(([key, value]) =>
      h(
        'div',
        null,
        h('span', { class: 'name' }, key),
        s(
          'svg',
          { viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          s('rect', {
            class: value < 0 ? 'bar bad' : 'bar',
            x: 0,
            y: 0,
            height: 10,
            width: Math.max(0.4, (Math.abs(value) / top) * 100),
          }),
        ),
        h('span', { class: 'number' }, text(value)),
      ),
    ),
  );
}

/** How much of something bounded is used. */
export function meter(used, most, label) {
  const part = most > 0 ? used / most : 0;
  return h('meter', {
    min: 0,
    max: 1,
    low: 0.7,
    high: 0.9,
    optimum: 0,
    value: part.toFixed(4),
    'aria-label': label,
  });
}

/** The last `size` samples of something. */
export class Series {
  constructor(size = 120) {
    this.size = size;
    this.values = [];
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > this.size) this.values.shift();
  }
}
