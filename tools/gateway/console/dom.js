// SPDX-License-Identifier: Apache-2.0
// Elements. What comes from the engine enters the page as text, here and nowhere else: there is no
// way to give markup.

const SVG = 'http://www.w3.org/2000/svg';

function add(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

function set(element, properties) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [type, listener] of Object.entries(value))
        element.addEventListener(type, listener);
    } else if (name === 'value' || name === 'checked' || name === 'disabled') {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
}

/** An element: h('p', {class: 'dim'}, 'text', node, [more]). */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  add(element, children);
  set(element, properties);
  return element;
}

/** An element of a drawing. */
export function s(tag, properties, ...children) {
  const element = document.createElementNS(SVG, tag);
  add(element, children);
  set(element, properties);
  return element;
}

/** Puts new children in place of the old ones. */
export function fill(element, ...children) {
  const fresh = document.createDocumentFragment();
  add(fresh, children);
  element.replaceChildren(fresh);
  return element;
}

/** The address of a page: at('item', 'A/B') is #/item/A%2FB. */
export function at(...parts) {
  return '#/' + parts.map((part) => encodeURIComponent(part)).join('/');
}

export function link(text, ...parts) {
  return h('a', { href: at(...parts) }, text);
}
