// Keeps a page as it is on the server: hears of releases, swaps style sheets and images, reloads
// the page for anything else, and shows what keeps a release from being made. docs/live-reload.md.
(() => {
  'use strict';
  const own = document.currentScript;
  const eventsPath = (own && own.dataset.events) || '/__cairn/events';
  const isOther = own && own.dataset.page === 'other'; // a rule led to it, or nothing is there
  if (own) own.remove(); // the page is to find what its author wrote
  if (window.__cairnLiveReload) return;
  window.__cairnLiveReload = true;

  const STORE = 'cairn-live-reload';
  const PARAMETER = 'cairn'; // in the URLs of what was swapped
  let state = null; // what this page is as new as

  // ---- paths ----

  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  // The path of a URL of this server, in one spelling; null: it is elsewhere.
  const pathOf = (url, base) => {
    try {
      const full = new URL(url, base || document.baseURI);
      return full.origin === location.origin ? decoded(full.pathname) : null;
    } catch { return null; }
  };
  const fresh = (url, base) => {
    const full = new URL(url, base || document.baseURI);
    full.searchParams.set(PARAMETER, state);
    return full.href;
  };

  // What the page has asked for, by its path; frames look after themselves.
  const loaded = new Set();
  const note = (entries) => entries.forEach((one) => {
    if (!/^i?frame$/.test(one.initiatorType)) loaded.add(pathOf(one.name));
  });
  try {
    new PerformanceObserver((list) => note(list.getEntries()))
      .observe({ type: 'resource', buffered: true });
  } catch { /* then what the list below holds */ }
  const isLoaded = (path) => {
    note(performance.getEntriesByType('resource'));
    return loaded.has(path) || [...document.scripts].some((one) => one.src && pathOf(one.src) === path);
  };

  // The document, and what elements have for themselves (shadow roots; closed ones cannot be seen).
  const roots = (from = document) => [from, ...[...from.querySelectorAll('*')]
    .flatMap((one) => (one.shadowRoot ? roots(one.shadowRoot) : []))];
  const all = (selector) => roots().flatMap((root) => [...root.querySelectorAll(selector)]);

  // ---- style sheets ----

  // Sheets that the rules of this one bring in, with itself.
  const withImports = (sheet) => {
    const found = [sheet];
    let rules = [];
    try { rules = sheet.cssRules; } catch { /* another origin's */ }
    for (const rule of rules) {
      if (rule.styleSheet) found.push(...withImports(rule.styleSheet));
    }
    return found;
  };
  const names = (sheet, path) => { // in one of its url(...)
    let rules = [];
    try { rules = sheet.cssRules; } catch { return false; }
    const texts = [...rules].map((rule) => rule.cssText).join('\n');
    return [...texts.matchAll(/url\((["']?)(.*?)\1\)/g)]
      .some((match) => pathOf(match[2], sheet.href || undefined) === path);
  };
  // The new one stands beside the old one until it is there, so that the page is never bare.
  const swapLink = (link) => {
    if (link.disabled) { link.href = fresh(link.href); return; } // nobody would tell when it is there
    if (link.cairnNext) link.cairnNext.remove(); // it came too late
    const next = link.cloneNode();
    next.href = fresh(link.href);
    link.cairnNext = next;
    next.addEventListener('load', () => {
      if (link.cairnNext !== next) return;
      if (link.sheet && next.sheet) next.sheet.disabled = link.sheet.disabled;
      link.remove();
    });
    next.addEventListener('error', reload);
    link.after(next);
  };
  const sheetLinks = () => {
    const links = all('link[rel~="stylesheet" i][href]');
    return links.filter((link) => !links.some((one) => one.cairnNext === link));
  };
  // Swaps the links whose sheets fit. 0: there is none. null: one cannot be swapped.
  const swapSheets = (fits) => {
    let count = 0;
    for (const sheet of roots().flatMap((root) => [...root.styleSheets])) {
      if (!withImports(sheet).some(fits)) continue;
      if (!(sheet.ownerNode instanceof Element) || sheet.ownerNode.localName !== 'link') return null;
    }
    for (const link of sheetLinks()) {
      const sheets = link.sheet ? withImports(link.sheet) : [{ href: link.href }];
      if (!sheets.some(fits)) continue;
      swapLink(link);
      count += 1;
    }
    return count;
  };

  // ---- images ----

  const IMAGES = [['img', 'src'], ['source', 'src'], ['input', 'src'], ['video', 'poster'],
    ['image', 'href'], ['use', 'href'], ['feImage', 'href'],
    ['image', 'xlink:href'], ['use', 'xlink:href'], ['feImage', 'xlink:href'],
    ['link[rel~="icon" i]', 'href'], ['link[rel~="apple-touch-icon" i]', 'href']];
  const swapImages = (path) => {
    let count = 0;
    const swap = (element, attribute, value) => { element.setAttribute(attribute, value); count += 1; };
    for (const [selector, attribute] of IMAGES) {
      for (const element of all(selector)) {
        const value = element.getAttribute(attribute);
        if (value && !value.startsWith('#') && pathOf(value) === path) swap(element, attribute, fresh(value));
      }
    }
    for (const element of all('[srcset], [imagesrcset]')) {
      const attribute = element.hasAttribute('srcset') ? 'srcset' : 'imagesrcset';
      const value = element.getAttribute(attribute);
      const next = value.replace(/[^\s,]\S*[^\s,]|[^\s,]/g, (word) => (pathOf(word) === path ? fresh(word) : word));
      if (next !== value) swap(element, attribute, next);
    }
    for (const element of all('[style*="url("]')) {
      for (const property of element.style) {
        const value = element.style.getPropertyValue(property);
        const next = value.replace(/url\((["']?)(.*?)\1\)/g,
          (all, quote, url) => (pathOf(url) === path ? `url("${fresh(url)}")` : all));
        if (next === value) continue;
        element.style.setProperty(property, next, element.style.getPropertyPriority(property));
        count += 1;
      }
    }
    return count;
  };

  // ---- what a change asks for ----

  const isPage = (path) => /(\/|\.html?|\/[^./]*)$/i.test(path);
  // True: done. False: only a new page shows it.
  const apply = (path) => {
    if (path === decoded(location.pathname)) return false;
    if (/\.css$/i.test(path)) {
      const count = swapSheets((sheet) => sheet.href && pathOf(sheet.href) === path);
      return count === null ? false : count > 0 || !isLoaded(path);
    }
    if (/\.(avif|bmp|gif|ico|jpe?g|png|svg|webp)$/i.test(path)) {
      const sheets = swapSheets((sheet) => names(sheet, path));
      return sheets === null ? false : swapImages(path) + sheets > 0 || !isLoaded(path);
    }
    return !(isOther && isPage(path)) && !isLoaded(path);
  };

  const keepScroll = () => {
    const place = { url: location.href, x: scrollX, y: scrollY, state };
    try { sessionStorage.setItem(STORE, JSON.stringify(place)); } catch { /* it is not kept then */ }
  };
  const reload = () => {
    keepScroll();
    location.reload();
  };
  const takeKept = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(STORE));
      sessionStorage.removeItem(STORE);
      return kept && kept.url === location.href ? kept : null;
    } catch { return null; }
  };

  // The place where the page was, as soon as it is long enough, unless the reader goes elsewhere.
  const scrollBack = ({ x, y }) => {
    const signs = ['wheel', 'touchstart', 'keydown', 'mousedown'];
    const watch = new ResizeObserver(() => go());
    const end = () => {
      watch.disconnect();
      signs.forEach((sign) => removeEventListener(sign, end, true));
    };
    const go = () => {
      scrollTo({ left: x, top: y, behavior: 'instant' });
      if (document.readyState === 'complete' && Math.abs(scrollY - y) < 1 && Math.abs(scrollX - x) < 1) end();
    };
    signs.forEach((sign) => addEventListener(sign, end, { capture: true, passive: true }));
    watch.observe(document.documentElement);
    addEventListener('load', () => setTimeout(go), { once: true });
    go();
  };

  // ---- a build that failed ----

  let overlay = null;
  const hideError = () => {
    if (overlay) overlay.remove();
    overlay = null;
  };
  // Styles by script alone: a policy of the page on styles does not concern them.
  const element = (name, style, ...children) => {
    const made = document.createElementNS('http://www.w3.org/1999/xhtml', name);
    made.style.cssText = style;
    made.append(...children);
    return made;
  };
  const showError = (text) => {
    hideError();
    const button = element('button', 'font:inherit;padding:.4em 1em;float:right', 'Close');
    const dialog = element('dialog',
      'box-sizing:border-box;width:min(60rem,94vw);max-height:86vh;overflow:auto;padding:1.25em 1.5em;' +
      'color-scheme:light dark;color:CanvasText;background:Canvas;border:1px solid GrayText;' +
      'border-top:.5em solid #d22;border-radius:.5em;font:16px/1.5 system-ui,sans-serif',
      button,
      element('h1', 'font-size:1.2em;margin:0 0 .75em', 'This change cannot be released'),
      element('pre', 'font:14px/1.5 ui-monospace,monospace;margin:0 0 1em;white-space:pre-wrap;overflow-wrap:anywhere', text),
      element('p', 'margin:0;opacity:.75', 'The page is as it was released last, and goes on by itself once this is mended.'));
    dialog.setAttribute('aria-label', 'Build error');
    overlay = element('cairn-error', 'all:initial');
    overlay.attachShadow({ mode: 'open' }).append(dialog);
    document.documentElement.append(overlay);
    button.addEventListener('click', hideError);
    dialog.addEventListener('close', hideError);
    dialog.showModal(); // above all, and Escape closes it
  };

  // ---- what the server says ----

  // Was this page asked for before what is served now was there? Once for a state: a clock that is
  // off must not make it go round.
  const kept = takeKept();
  const isOld = (hello) => {
    const [page] = performance.getEntriesByType('navigation');
    const asked = page ? Math.max(page.requestStart, page.fetchStart) : 0;
    return asked < performance.now() - hello.age_ms && !(kept && kept.state === hello.state);
  };
  let greeted = null; // the state of the hello, which may have been ahead of the news of it
  const hear = {
    hello(message) {
      const isNew = state === null ? isOld(message) : state !== message.state;
      state = greeted = message.state;
      if (isNew) { reload(); return; }
      if (message.error) showError(message.error); else hideError();
    },
    release(message) {
      if (message.state === greeted) return;
      greeted = null;
      state = message.state;
      hideError();
      const paths = [...message.changed, ...message.added, ...message.removed].map(decoded);
      if (message.truncated || !paths.map(apply).every(Boolean)) reload();
    },
    error(message) { showError(message.text); },
    mended: hideError,
  };
  const take = (text) => {
    const message = JSON.parse(text);
    if (hear[message.type]) hear[message.type](message);
  };

  // ---- the connection ----

  const WAIT_LEAST_MS = 100, WAIT_MOST_MS = 5000;
  const url = new URL(eventsPath, location.href); // whatever the page has for a base
  let line = null; // a WebSocket or an EventSource
  let timer = 0, wait = WAIT_LEAST_MS;
  let usesStream = false, isProven = false; // one of the two has worked

  const opened = () => {
    if (!isProven) console.info('cairn: the page follows the site');
    isProven = true;
    wait = WAIT_LEAST_MS;
  };
  const close = () => {
    clearTimeout(timer);
    if (line) line.close();
    line = null;
  };
  const lost = (from) => {
    if (from !== line) return;
    close();
    if (!isProven) usesStream = !usesStream; // what is between may not let the other through
    timer = setTimeout(connect, wait);
    wait = Math.min(2 * wait, WAIT_MOST_MS);
  };
  const connect = () => {
    close();
    if (usesStream) {
      const stream = line = new EventSource(url);
      const isSaid = (event) => event.data !== undefined; // else it is the stream's own, about itself
      Object.keys(hear).forEach((type) => stream.addEventListener(type, (event) => isSaid(event) && take(event.data)));
      stream.onopen = opened;
      stream.onerror = (event) => isSaid(event) || lost(stream);
      return;
    }
    const socket = new URL(url);
    socket.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    let made;
    try { made = line = new WebSocket(socket); } catch { usesStream = true; connect(); return; }
    made.onopen = opened;
    made.onmessage = (event) => take(event.data);
    made.onclose = () => lost(made);
  };
  const hurry = () => {
    if (line || document.visibilityState !== 'visible') return;
    wait = WAIT_LEAST_MS;
    connect();
  };
  addEventListener('online', hurry);
  document.addEventListener('visibilitychange', hurry);
  addEventListener('pagehide', close); // so that the browser may keep the page for the way back
  addEventListener('pageshow', (event) => { if (event.persisted) connect(); });

  if (kept) scrollBack(kept);
  connect();
})();
