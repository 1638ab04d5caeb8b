// SPDX-License-Identifier: Apache-2.0
// The language of the console. Texts are in texts/; both files have the same keys.
import en from './texts/en.js';
import fr from './texts/fr.js';
import { recall, keep } from './memory.js';

export const languages = { en: 'English', fr: 'Français' };
const texts = { en, fr };

function chosen() {
  const kept = recall('language');
  if (texts[kept]) return kept;
  const wished = (navigator.languages ?? []).map((tag) => tag.slice(0, 2));
  return wished.find((tag) => texts[tag]) ?? 'en';
}

let language = chosen();

export function currentLanguage() {
  return language;
}

export function chooseLanguage(tag) {
  language = texts[tag] ? tag : 'en';
  keep('language', language);
  document.documentElement.lang = language;
}

/** The text of a key, with {name} replaced. */
export function t(key, values) {
  const text = texts[language][key] ?? texts.en[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all) : text;
}

/** The text of a word that the engine says (a state, a type); the word itself if there is none. */
export function word(group, value) {
  if (value === null || value === undefined || value === '') return t('none');
  return texts[language][`${group}.${value}`] ?? String(value);
}

document.documentElement.lang = language;
