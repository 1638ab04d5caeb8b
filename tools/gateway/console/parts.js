// SPDX-License-Identifier: Apache-2.0
// What pages are made of: headings, panels, tiles, tables, messages.
import { h, fill } from './dom.js';
import { t, word } from './i18n.js';
import { number } from './format.js';

const ROWS_SHOWN = 200;

export function heading(text, ...beside) {
  return h('div', { class: 'heading' }, h('h1', { tabindex: -1 }, text), ...beside);
}

export function panel(title, ...children) {
  return h('section', { class: 'panel' }, title && h('h2', null, title), ...children);
}

export function tile(label, value, note, tone) {
  return h(
    'div',
    { class: `tile ${tone ?? ''}` },
    h('span', { class: 'label' }, label),
    h('strong', null, value),
    h('span', { class: 'note' }, note ?? ''),
  );
}

const TONES = {
  held: 'warn',
  confirmed: 'info',
  fulfilled: 'good',
  cancelled: 'quiet',
  expired: 'quiet',
  in_transit: 'info',
  arrived: 'good',
  withdrawn: 'quiet',
  open: 'info',
  ready: 'good',
  not_collected: 'warn',
  sold_out: 'bad',
  back_in_stock: 'good',
  low_stock: 'warn',
  late: 'warn',
  short: 'bad',
  rejected: 'bad',
  unsourced: 'bad',
  lost: 'bad',
  overage: 'warn',
};

export function badge(group, value, tone) {
  return h('span', { class: `badge ${tone ?? TONES[value] ?? 'quiet'}` }, word(group, value));
}

export function empty(text) {
  return h('p', { class: 'empty' }, text ?? t('empty'));
}

export function busy() {
  return h('p', { class: 'empty', role: 'status' }, t('loading'));
}

export function field(label, control, hint) {
  return h(
    'label',
    { class: 'field' },
    h('span', null, label),
    control,
    hint && h('small', null, hint),
  );
}

export function choice(options, value, onChange, properties) {
  const control = h(
    'select',
    { ...properties, on: { change: () => onChange?.(control.value) } },
    options.map(([key, text]) => h('option', { value: key }, text)),
  );
  control.value = value ?? '';
  return control;
}

export function button(text, onClick, properties) {
  return h('button', { type: 'button', ...properties, on: { click: onClick } }, text);
}

/** What went wrong, and what to do about it. */
export function complaint(problem, again) {
  const known = t(`error.${problem.code}`);
  const said = known === `error.${problem.code}` ? t('error.other') : known;
  const right = problem.details?.right;
  return h(
    'div',
    { class: 'complaint', role: 'alert' },
    h('strong', null, said),
    h(
      'p',
      null,
      problem.code === 'forbidden' && right ? t('error.right', { right }) : problem.message,
    ),
    again && button(t('again'), again),
  );
}

/** A table. columns: {title, number?, cell(row)}. Of many rows the first are shown, and more on
 *  demand, so that a page stays quick. */
export function table(columns, rows, { caption, none, key } = {}) {
  if (!rows.length) return empty(none);
  const body = h('tbody');
  const line = (row) =>
    h(
      'tr',
      key ? { 'data-key': key(row) } : null,
      columns.map((column, index) =>
        h(
          index === 0 ? 'th' : 'td',
          { class: column.number ? 'number' : null, scope: index === 0 ? 'row' : null },
          column.cell(row),
        ),
      ),
    );
  const more = h('p', { class: 'more' });
  let shown = 0;
  const grow = () => {
    const next = rows.slice(shown, shown + ROWS_SHOWN);
    body.append(...next.map(line));
    shown += next.length;
    fill(
      more,
      shown < rows.length && [
        t('rows.shown', { shown: number(shown), all: number(rows.length) }),
        ' ',
        button(t('rows.more'), grow),
      ],
    );
  };
  grow();
  const head = columns.map((column) =>
    h('th', { scope: 'col', class: column.number ? 'number' : null }, column.title),
  );
  return h(
    'div',
    null,
    h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption ?? t('table') },
      h(
        'table',
        null,
        caption && h('caption', { class: 'hidden' }, caption),
        h('thead', null, h('tr', null, head)),
        body,
      ),
    ),
    more,
  );
}

export function pairs(list) {
  return h(
    'dl',
    { class: 'pairs' },
    list
      .filter(Boolean)
      .map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
  );
}

/** Tabs that are links, so that each has its own address. list: [href, text, current] */
export function tabs(list, label) {
  return h(
    'nav',
    { class: 'tabs', 'aria-label': label },
    list.map(([href, text, current]) =>
      h('a', { href, 'aria-current': current ? 'page' : null }, text),
    ),
  );
}

/** Asks before something is done; resolves to the form's values, or null. The action is tried with
 *  the dialog open, so that a refusal can be read and what was typed is kept. */
export function ask({ title, text, fields = [], yes, tone, action }) {
  return new Promise((resolve) => {
    const said = h('div', { 'aria-live': 'polite' });
    const go = h('button', { type: 'submit', class: tone ?? 'primary' }, yes);
    const form = h(
      'form',
      { method: 'dialog' },
      h('h2', null, title),
      text && h('p', null, text),
      fields,
      said,
      h(
        'div',
        { class: 'buttons' },
        button(t('cancel'), () => dialog.close()),
        go,
      ),
    );
    const dialog = h('dialog', { 'aria-label': title }, form);
    let result = null;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        result = (await action(form)) ?? true;
        dialog.close();
      } catch (problem) {
        fill(said, complaint(problem));
        go.disabled = false;
      }
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A short message that goes away by itself, and is read aloud. */
export function notice(text, tone = 'good') {
  const place = document.getElementById('notices');
  const line = h('p', { class: `notice ${tone}` }, text);
  place?.append(line);
  setTimeout(() => line.remove(), 6000);
}
