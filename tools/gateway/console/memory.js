// SPDX-License-Identifier: Apache-2.0
// What this browser remembers: choices for good, the token until the tab is closed. A browser that
// keeps nothing is fine, too.

function access(store, action, otherwise) {
  try {
    return action(window[store]);
  } catch {
    return otherwise;
  }
}

export function recall(name) {
  return access('localStorage', (store) => store.getItem(`stockd.${name}`), null);
}

export function keep(name, value) {
  access('localStorage', (store) => store.setItem(`stockd.${name}`, value));
}

let token = access('sessionStorage', (store) => store.getItem('stockd.token'), null) ?? '';

export function currentToken() {
  return token;
}

export function keepToken(value) {
  token = value;
  access('sessionStorage', (store) =>
    value ? store.setItem('stockd.token', value) : store.removeItem('stockd.token'),
  );
}
