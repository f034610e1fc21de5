// The list of entries of a live page and its reader: where a row goes, what is kept, and that nobody who reads is moved.
// live.js brings the rows.
//
// A row says by data-order where it stands and by data-rev which of its states it is. The list holds the newest entries
// without a hole; a row from before its oldest one is none of its business, unless older ones are on their way. While the
// reader is elsewhere the pill counts what is new.
(() => {
  'use strict';

  const list = document.getElementById('log-list');
  if (!list || !document.getElementById('live')) return;

  const maxRows = 300; // kept while the reader is at the newest entry
  const maxRowsAway = 600; // and while elsewhere; beyond, rows are counted only

  const newestFirst = list.dataset.order !== 'asc';
  const pill = document.getElementById('new-pill');

  // ---- The reader ----

  const edge = 60; // pixels from the newest entry that still count as there
  let unseen = 0;
  let counted = 0n; // the order of the newest one of them: one that is not kept changes as well
  let incomplete = false; // rows were counted and not kept
  let stale = false; // the page has to be loaded again
  let reload = () => {}; // does it; the reader has agreed

  // At the newest entry, and not busy with another one. Whoever reads a page without a list is moved by nothing in it.
  function atNewest() {
    if (list.hidden) return true;
    if (list.contains(document.activeElement) || !getSelection().isCollapsed && list.contains(getSelection().anchorNode)) return false;
    if (newestFirst) return scrollY <= edge;
    return scrollY + innerHeight >= document.documentElement.scrollHeight - edge;
  }

  function goNewest() {
    if (!list.hidden) scrollTo({ top: newestFirst ? 0 : document.documentElement.scrollHeight, behavior: 'instant' });
  }

  function tellUnseen() {
    if (!pill) return;
    pill.hidden = unseen === 0 && !stale;
    pill.textContent = `${newestFirst ? '↑' : '↓'} ${unseen > 0 ? `${unseen} new` : 'Newer entries'}`;
  }

  function seen() {
    if (stale || incomplete) reload();
    unseen = 0;
    counted = 0n;
    trim();
    tellUnseen();
  }

  pill?.addEventListener('click', () => {
    document.activeElement?.blur();
    goNewest();
    seen();
  });
  addEventListener('scroll', () => { if ((unseen > 0 || stale) && atNewest()) seen(); }, { passive: true });

  // Rows come and go above the window; what is in it must not move. The browser's own anchoring would correct twice.
  document.documentElement.style.overflowAnchor = 'none';

  // Places are taken again in a microtask: app.js dresses new rows in one, before this one, and nothing is painted yet.
  function keepPlace(change) {
    const anchor = [...list.children].find((row) => row.getBoundingClientRect().bottom > 0);
    const before = anchor?.getBoundingClientRect().top;
    change();
    queueMicrotask(() => {
      if (anchor?.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: 'instant' });
    });
  }

  // ---- The list ----

  let arrived = []; // rows that wait for the next turn: a burst is laid out once
  let applying;

  // Rows come as a fragment that htmx would put at the top of the list.
  document.addEventListener('htmx:oobBeforeSwap', (event) => {
    if (event.detail.target !== list) return;
    event.detail.shouldSwap = false;
    arrived.push(...event.detail.fragment.children);
    applying ??= setTimeout(apply, 16);
  });

  function apply() {
    const rows = arrived;
    arrived = [];
    applying = undefined;
    const follow = atNewest();
    const change = () => {
      for (const row of rows) upsert(row, follow);
      if (follow && (unseen > 0 || stale)) seen(); // nothing scrolls on a short page
      else if (follow) trim();
    };
    if (follow) {
      change();
      if (!newestFirst) queueMicrotask(goNewest);
    } else keepPlace(change);
    tellUnseen();
  }

  const order = (row) => BigInt(row.dataset.order);
  const rev = (row) => BigInt(row.dataset.rev);
  const oldest = () => (newestFirst ? list.lastElementChild : list.firstElementChild);
  const newest = () => (newestFirst ? list.firstElementChild : list.lastElementChild);
  const olderLink = () => document.querySelector('#older a[data-older]');

  // The link to older entries says where the list ends: it has everything from there on that the page is about.
  function end() {
    const link = olderLink();
    return !link || link.hidden ? 0n : BigInt(new URL(link.href).searchParams.get('before'));
  }

  // The list ends at its oldest row from now on.
  function endHere() {
    const link = olderLink();
    const url = new URL(link.href);
    url.searchParams.set('before', oldest().dataset.order);
    link.href = url.pathname + url.search;
    link.hidden = false;
  }

  // Puts a row where it belongs: over its older self, in its place in the order, or nowhere when it lies before the end of
  // the list.
  function upsert(row, follow) {
    const present = document.getElementById(row.id);
    const gone = 'gone' in row.dataset;
    if (present) {
      if (rev(row) <= rev(present)) return;
      if (gone) present.remove();
      else update(present, row);
      return;
    }
    if (order(row) < end()) miss(row);
    else if (!gone) add(row, follow);
  }

  function add(row, follow) {
    const isNewest = list.childElementCount === 0 || order(row) > order(newest());
    if (!follow && isNewest && order(row) > counted) {
      counted = order(row);
      unseen++;
      incomplete ||= list.childElementCount >= maxRowsAway;
    }
    if (incomplete) return;
    insert(row);
    htmx.process(row);
  }

  function insert(row) {
    let newer = null; // the neighbour on the newer side
    for (let r = newest(); r && order(r) > order(row); r = newestFirst ? r.nextElementSibling : r.previousElementSibling) newer = r;
    if (newestFirst) newer ? newer.after(row) : list.prepend(row);
    else newer ? newer.before(row) : list.append(row);
  }

  // Changes only what differs, so that what is unfolded, focused or selected stays so.
  function update(present, row) {
    const focused = present.contains(document.activeElement) ? document.activeElement : null;
    keepWhole(present, row);
    morph(present, row);
    htmx.process(present);
    if (focused && !focused.isConnected) present.querySelector('summary, a')?.focus({ preventScroll: true });
  }

  const own = ['open', 'data-day', 'data-depth', 'data-at', 'data-silence', 'data-whole']; // attributes that only the browser knows

  function morph(from, to) {
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && !own.includes(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    const [a, b] = [[...from.childNodes], [...to.childNodes]];
    if (a.length !== b.length || a.some((node, i) => node.nodeName !== b[i].nodeName)) {
      if (from.matches('details')) b.filter((node) => node.matches?.('details')).forEach((node) => { node.open = from.open; });
      from.replaceChildren(...b);
      return;
    }
    a.forEach((node, i) => {
      if (node.nodeType !== Node.ELEMENT_NODE) {
        if (node.data !== b[i].data) node.data = b[i].data;
      } else if (!node.isEqualNode(b[i])) morph(node, b[i]);
    });
  }

  // ---- Older entries ----

  let asked = null; // the question that is on its way: its link, where the list ended, and rows that changed meanwhile

  document.addEventListener('htmx:configRequest', (event) => {
    if (event.target === olderLink()) event.detail.path = event.target.pathname + event.target.search;
  });

  document.addEventListener('htmx:beforeRequest', (event) => {
    if (event.target === olderLink()) asked = { link: event.target, before: end(), missed: new Map() };
  });

  // The answer may be older than a change that is none of the list's business yet, and no other one brings it.
  function miss(row) {
    const other = asked?.missed.get(row.id);
    if (asked && (!other || rev(row) > rev(other))) asked.missed.set(row.id, row);
  }

  // Rows from before an end that the list had would leave a hole in it.
  document.addEventListener('htmx:beforeSwap', (event) => {
    const { requestConfig } = event.detail;
    if (event.target === list && (requestConfig.elt !== asked?.link || asked.before !== end())) event.detail.shouldSwap = false;
  });

  // What was missed comes before what arrived since. Without an answer in the list it is before the end still, and dropped.
  document.addEventListener('htmx:afterRequest', (event) => {
    if (!asked || event.detail.requestConfig.elt !== asked.link) return;
    const { missed } = asked;
    asked = null;
    if (missed.size === 0) return;
    arrived.unshift(...missed.values());
    applying ??= setTimeout(apply, 16);
  });

  // ---- What the reader has in whole ----

  const wholeEvery = 500; // a burst of changes is one
  const wholeAgain = 5000; // after a failure
  const changed = new Set(); // ids of rows whose whole output or archived part is older than they are
  let fetching;

  // A row brings a preview; the rest comes by a link in it, and says so by its attribute.
  document.addEventListener('htmx:load', (event) => {
    if (event.target.matches?.('#log-list .out, #log-list .archived')) event.target.dataset.whole = '';
  });

  const kindOf = (whole) => (whole.matches('.archived') ? '.archived' : '.out');

  // What was fetched stays in the row until it has been fetched again.
  function keepWhole(present, row) {
    const whole = present.querySelector('[data-whole]');
    const preview = whole && row.querySelector(kindOf(whole));
    if (!preview) return;
    preview.replaceWith(whole.cloneNode(true));
    changed.add(present.id);
    fetching ??= setTimeout(fetchWhole, wholeEvery);
  }

  async function fetchWhole() {
    const ids = [...changed];
    let pause = wholeEvery;
    changed.clear();
    for (const id of ids) {
      await bringWhole(id).catch(() => {
        changed.add(id);
        pause = wholeAgain;
      });
    }
    fetching = changed.size > 0 ? setTimeout(fetchWhole, pause) : undefined;
  }

  async function bringWhole(id) {
    const answer = await fetch(id.replace('entry-', '/logs/'), { headers: { Accept: 'text/html', 'HX-Request': 'true' }, cache: 'no-store', signal: AbortSignal.timeout(30000) });
    if (answer.redirected || answer.status === 404) return;
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const whole = document.querySelector(`#${id} [data-whole]`);
    const fresh = whole && page.querySelector(`#entry-whole ${kindOf(whole)}`);
    if (!fresh) return;
    morph(whole, fresh);
    htmx.process(whole);
  }

  // ---- The bound ----

  // For a reader at the newest entry: new rows below have moved the edge, and asking where the reader is comes too late.
  function trim() {
    let extra = list.childElementCount - maxRows;
    if (extra <= 0) return;
    while (extra-- > 0) oldest().remove();
    endHere();
    if (!newestFirst) queueMicrotask(goNewest);
  }

  // Takes the rows of a page that was loaded just now in place of its own.
  function replace(fresh) {
    arrived = [];
    asked = null;
    const open = new Set([...list.querySelectorAll('li:has(details[open])')].map((row) => row.id));
    list.replaceChildren(...fresh.children);
    for (const row of list.children) if (open.has(row.id)) row.querySelector('details')?.setAttribute('open', '');
    htmx.process(list);
    stale = incomplete = false;
    unseen = 0;
    counted = 0n;
    tellUnseen();
    goNewest();
  }

  // A conversation is read from its end, unless the browser brought the reader back to where they were.
  if (!newestFirst && performance.getEntriesByType('navigation')[0]?.type === 'navigate' && !location.hash) {
    addEventListener('DOMContentLoaded', goNewest);
    addEventListener('load', goNewest);
  }

  globalThis.worklogRows = {
    atNewest, keepPlace, replace,
    reloadWith(act) { reload = act; },
    // The list can not be brought up to date row by row any more. It is loaded again when the reader agrees.
    outdated() {
      stale = true;
      tellUnseen();
    },
  };
})();
