// SPDX-License-Identifier: Apache-2.0
// A page while somebody looks at it. What it began ends with it: requests, streams, timers.
import { call, follow } from './api.js';

export class Visit {
  constructor(root, { parts, query }) {
    this.root = root;
    this.parts = parts;
    this.query = query;
    this.scans = null; // what takes the codes of a barcode scanner, to which all keys belong then
    this.controller = new AbortController();
    this.signal = this.controller.signal;
  }

  end() {
    this.controller.abort();
  }

  call(method, params) {
    return call(method, params, this.signal);
  }

  /** Follows a stream as long as the page is there. */
  follow(path, query, handlers) {
    follow(path, query, handlers, this.signal);
  }

  on(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.signal });
  }

  /** Runs `work` now and then again `ms` after it has ended, while the page is seen, until it
   *  returns false. What fails because the engine is away is tried again, at longer intervals;
   *  anything else ends it. */
  async poll(ms, work, refused) {
    let wait = ms;
    while (!this.signal.aborted) {
      if (document.hidden) await this.seen();
      try {
        if ((await work()) === false) return;
        wait = ms;
      } catch (problem) {
        if (this.signal.aborted) return;
        if (!problem.passes) {
          refused?.(problem);
          return;
        }
        wait = Math.min(Math.max(wait, 1000) * 1.5, 8000);
      }
      await this.pause(wait);
    }
  }

  /** Runs `work` once the engine answers again. */
  async afterAway(work) {
    await this.pause(1000);
    await this.poll(1500, async () => {
      await call('ping', {}, this.signal);
      work();
      return false;
    });
  }

  /** `work`, but no oftener than once in `ms`: the first call counts, further ones wait. */
  seldom(ms, work) {
    let planned = false,
      last = -Infinity;
    return () => {
      if (planned || this.signal.aborted) return;
      planned = true;
      setTimeout(
        () => {
          planned = false;
          last = performance.now();
          if (!this.signal.aborted) work();
        },
        Math.max(0, last + ms - performance.now()),
      );
    };
  }

  pause(ms) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.signal.addEventListener('abort', end);
    });
  }

  seen() {
    return new Promise((resolve) => {
      this.on(document, 'visibilitychange', resolve);
      this.signal.addEventListener('abort', resolve, { once: true });
    });
  }
}
