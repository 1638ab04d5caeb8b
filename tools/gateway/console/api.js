// SPDX-License-Identifier: Apache-2.0
// What the console asks of the gateway. Requests carry the token; so do streams, which EventSource
// could not do: they are read with fetch.
import { currentToken } from './memory.js';

const base = new URL('v1/', document.baseURI);
const PATIENCE_MS = 70_000; // the gateway answers earlier than that, if only to say "engine away"

/** Says `health` with {state: 'good' | 'engine_away' | 'gateway_away'}, and `unauthorized`. */
export const bus = new EventTarget();

function tell(type, detail) {
  bus.dispatchEvent(new CustomEvent(type, { detail }));
}

/** A refusal: `code` is for programs, `message` what the engine or gateway said. */
export class Problem extends Error {
  constructor(code, message, details = {}, status = 0) {
    super(message);
    this.code = code;
    this.details = details;
    this.status = status;
  }

  /** Worth asking again, without any change to what was asked. */
  get passes() {
    return ['gateway_away', 'engine_away', 'overloaded'].includes(this.code);
  }
}

function headers(more) {
  const token = currentToken();
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  const code = said.code ?? (response.status >= 500 ? 'gateway_away' : 'bad_request');
  return new Problem(code, said.detail ?? response.statusText, said.details ?? {}, response.status);
}

function judge(problem) {
  if (problem.code === 'unauthorized') tell('unauthorized');
  const away = problem.code === 'engine_away' || problem.code === 'gateway_away';
  tell('health', { state: away ? problem.code : 'good' });
  return problem;
}

async function request(path, options, signal) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  let response;
  try {
    response = await fetch(new URL(path, base), {
      ...options,
      cache: 'no-store',
      headers: headers(options.headers ?? {}),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (response.ok) {
      const result = await response.json();
      tell('health', { state: 'good' });
      return result;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw judge(new Problem('gateway_away', String(error?.message ?? error)));
  }
  throw judge(await problemOf(response));
}

/** Calls a method with named parameters. */
export function call(method, params = {}, signal = undefined) {
  return request(method, { method: 'POST', body: JSON.stringify(params) }, signal);
}

export function availability(channel, skus, signal) {
  const query = new URLSearchParams(skus.map((sku) => ['sku', sku]));
  return request(`availability/${encodeURIComponent(channel)}?${query}`, {}, signal);
}

/** The text of the engine's metrics; null: none yet; undefined: there never will be any. */
export async function metrics(signal) {
  const response = await fetch(new URL('metrics', base), {
    cache: 'no-store',
    headers: headers({}),
    signal,
  });
  if (response.status === 404) return undefined;
  return response.ok ? response.text() : null;
}

/** Whether a token is good: tries it without keeping it. */
export async function tryToken(token) {
  const response = await fetch(new URL('hello', base), {
    method: 'POST',
    body: '{}',
    headers: token ? { Authorization: `Bearer ${token}` } : {},
  });
  if (!response.ok) throw await problemOf(response);
}

/** An id of the console's own: a retry with it is done once. (randomUUID needs a secure page.) */
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return 'c-' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// ---- streams ----

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** Splits the text of a stream into its lines, whatever pieces it comes in. */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split('\n');
    rest = parts.pop();
    yield* parts;
  }
}

async function read(response, position, handlers) {
  let event = 'message',
    data = null;
  for await (const line of lines(response.body)) {
    const cut = line.indexOf(': ');
    const field = cut < 0 ? line : line.slice(0, cut),
      value = cut < 0 ? '' : line.slice(cut + 2);
    if (line === '') {
      if (data !== null && event === 'resync') handlers.resync?.();
      else if (data !== null) handlers.data(JSON.parse(data));
      event = 'message';
      data = null;
    } else if (field === 'id') {
      position.lsn = value;
      handlers.state?.('live');
    } else if (field === 'event') event = value;
    else if (field === 'data') data = value;
    else if (field === '') handlers.state?.('engine_away');
  }
}

/** Follows a stream until the signal ends it; connects again by itself, where it was. handlers:
 *  data(row), resync(), state('live' | 'engine_away' | 'gateway_away' | 'refused', why) */
export async function follow(path, query, handlers, signal) {
  const url = new URL(path, base),
    position = { lsn: null };
  let wait = 500;
  for (const [name, value] of query) if (value) url.searchParams.append(name, value);
  while (!signal.aborted) {
    try {
      const more = { Accept: 'text/event-stream' };
      if (position.lsn !== null) more['Last-Event-ID'] = position.lsn;
      const response = await fetch(url, { headers: headers(more), cache: 'no-store', signal });
      if (!response.ok) throw judge(await problemOf(response));
      handlers.state?.('live');
      wait = 500;
      await read(response, position, handlers);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && !error.passes) {
        handlers.state?.('refused', error);
        return;
      }
    }
    if (signal.aborted) return;
    handlers.state?.('gateway_away');
    await pause(wait, signal);
    wait = Math.min(wait * 2, 8000);
  }
}
