// SPDX-License-Identifier: Apache-2.0
// A barcode scanner that types what it reads and then Enter. It works wherever the focus is, except
// in a field: there it types into the field.
import { h } from './dom.js';
import { t } from './i18n.js';

const FORGET_MS = 2000; // a scanner types much faster; a hand may, too
const LEAST = 3; // so many keys before Enter are a code, fewer are not

/** Calls `read` with each code, for as long as the visit lasts; a second call replaces `read`. */
export function scanner(visit, read) {
  const listening = visit.scans;
  let typed = '',
    last = 0;
  visit.scans = read;
  if (listening) return;
  visit.on(document, 'keydown', (event) => {
    if (event.target.closest?.('input, select, textarea, dialog')) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const now = performance.now();
    if (now - last > FORGET_MS) typed = '';
    last = now;
    if (event.key === 'Enter' && typed.length >= LEAST) {
      const code = typed.trim();
      typed = '';
      event.preventDefault();
      if (code) visit.scans(code);
    } else if (event.key.length === 1) {
      if (event.key === ' ' && !typed) return; // it presses the button that has the focus
      typed += event.key;
      event.preventDefault();
    }
  });
}

/** A field for those whose scanner is their fingers. */
export function scanField(read, label) {
  const input = h('input', {
    type: 'text',
    name: 'code',
    autocomplete: 'off',
    enterkeyhint: 'done',
    'aria-label': label ?? t('scan'),
    placeholder: label ?? t('scan'),
  });
  return h(
    'form',
    {
      class: 'scan',
      on: {
        submit: (event) => {
          event.preventDefault();
          const code = input.value.trim();
          input.value = '';
          if (code) read(code);
        },
      },
    },
    input,
    h('button', { type: 'submit' }, t('scan.take')),
  );
}

/** Finds the item of a code: among those that are known, else by asking. */
export async function skuOf(visit, code, items) {
  for (const item of items) if (item.barcode === code || item.sku === code) return item.sku;
  return (await visit.call('lookup', { code })).sku;
}
