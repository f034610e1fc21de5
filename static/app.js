// What makes a page pleasant, and nothing that it needs: without this file everything still reads and works.
// live.js owns the stream and the list's order; this file only decorates rows that are there.
(() => {
  'use strict';

  const feed = () => document.getElementById('log-list'); // asked each time: a reset brings a new one
  const $$ = (selector, root = document) => root.querySelectorAll(selector);

  // ---- Times ----

  // The server's clock: what it says of times is judged by that, not by a laptop that is ahead of it.
  const opened = performance.getEntriesByType('navigation')[0];
  let ahead = performance.timeOrigin + (opened?.responseStart ?? 0) - Date.parse(document.body.dataset.now);
  if (isNaN(ahead)) ahead = 0;
  const serverNow = () => Date.now() - ahead;
  const today = () => new Date(serverNow());

  const second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
  const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
  const dayMonth = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
  const dayMonthYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
  const longDayYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const axis = { hour: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' }), day: dayMonth };
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

  const sameDay = (a, b) => a.toDateString() === b.toDateString();

  function relative(t, now, short) {
    const d = now - t;
    if (d < 45 * second) return d < -minute ? exact.format(t) : 'now';
    const ago = short ? '' : ' ago';
    if (d < hour) return `${Math.max(1, Math.floor(d / minute))} m${ago}`;
    if (d < day) return `${Math.floor(d / hour)} h${ago}`;
    if (d < 6 * day) return weekday.format(t);
    return (t.getFullYear() === now.getFullYear() ? dayMonth : dayMonthYear).format(t);
  }

  // The same words as duration() of package view.
  function elapsed(ms) {
    const s = Math.max(0, Math.floor(ms / second));
    const two = (n) => String(n).padStart(2, '0');
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
  }

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tellTimes(root = document) {
    const now = today();
    for (const element of $$('time[datetime]', root)) {
      const t = new Date(element.dateTime);
      if (isNaN(t)) continue;
      if (!element.dataset.told) {
        element.dataset.told = '1';
        element.title = exact.format(t);
      }
      if (element.dataset.axis) setText(element, axis[element.dataset.axis].format(t));
      else setText(element, 'exact' in element.dataset ? exact.format(t) : relative(t, now, 'short' in element.dataset));
    }
  }

  // ---- Who waits ----

  const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
  const daysAgo = (t) => (sameDay(t, today()) ? timeOfDay.format(t) : `${dayMonth.format(t)} ${timeOfDay.format(t)}`);

  // Running rows count up. One whose tool was never heard of for so long before, and none of whose own steps was, says
  // since when there is no news. Nothing is asked for that: the row brings the time, and how long is usual.
  function countUp(root = document) {
    const now = serverNow();
    for (const element of $$('[data-started]', root)) {
      const row = element.closest('.row') ?? element.closest('.entry');
      const news = Math.max(Date.parse(element.dataset.news), lastUnder(row, 0));
      const silent = row && !row.matches('.asks') && now - news > element.dataset.silent * second;
      if (row && silent !== 'silence' in row.dataset) row.toggleAttribute('data-silence', silent);
      setText(element, silent ? `no news since ${daysAgo(new Date(news))}` : elapsed(now - Date.parse(element.dataset.started)));
    }
    for (const element of $$('[data-since]', root)) setText(element, `asked for permission, ${elapsed(now - Date.parse(element.dataset.since))}`);
  }

  // When a step under this one was last heard of; 0 if there is none.
  function lastUnder(row, depth) {
    if (!row?.dataset.key || depth > maxDepth) return 0;
    let last = 0;
    for (const child of $$(`[data-parent="${CSS.escape(row.dataset.key)}"]`, row.parentElement)) {
      const told = child.querySelector('[data-news]')?.dataset.news ?? child.querySelector('.at time')?.dateTime;
      last = Math.max(last, Date.parse(told) || 0, lastUnder(child, depth + 1));
    }
    return last;
  }

  // The same words and order as in package view.
  const states = ['needs_you', 'failed', 'running', 'silent', 'your_turn'];
  const tabWords = { needs_you: '✋ Needs you · ', failed: '✕ Failed · ', running: '▸ Running · ', silent: '… Silent · ', your_turn: '↩ Your turn · ' };

  // A conversation that should run and does not say anything any more is silent, whoever told its state.
  function tellStates() {
    const now = serverNow();
    for (const element of $$('[data-silent-at]')) {
      if (Date.parse(element.dataset.silentAt) > now) continue;
      delete element.dataset.silentAt;
      element.dataset.state = 'silent';
      element.classList.replace('is-running', 'is-silent');
      element.querySelector('use')?.setAttribute('href', '#is-silent');
      const word = element.querySelector('.says');
      if (word) setText(word, 'silent');
      word?.classList.remove('sr');
      const open = element.querySelector('.running'); // nobody knows that it runs
      if (open) setText(open, open.textContent.replace('running', 'open'));
    }
    const about = document.getElementById('log-facts') ?? (document.getElementById('entry-whole') && document.querySelector('.threads a[aria-current][data-state]'));
    const own = about?.dataset.state;
    const all = own ? [own] : [...$$('.threads a[data-state]')].filter((a) => now - Date.parse(a.querySelector('time')?.dateTime) < day).map((a) => a.dataset.state);
    const most = states.find((state) => all.includes(state));
    const name = document.getElementById('log-title')?.dataset.title ?? document.body.dataset.title ?? 'Worklog';
    const title = (tabWords[most] ?? '') + name;
    if (document.title !== title) document.title = title;
  }

  // ---- Rows ----

  const maxDepth = 3;
  let here = null; // the row that the keyboard is on

  function dayName(t, now) {
    if (sameDay(t, now)) return 'Today';
    if (sameDay(t, new Date(now - day))) return 'Yesterday';
    return (t.getFullYear() === now.getFullYear() ? longDay : longDayYear).format(t);
  }

  let dressed = ''; // the day on which days were named

  // Days and depths depend on the neighbours of a row and on the reader's clock, so no server can say them.
  function dressRows() {
    const list = feed();
    if (!list) return;
    const now = today();
    dressed = now.toDateString();
    const depths = new Map();
    let previous = null;
    for (const row of list.children) {
      const time = row.querySelector('.at time');
      if (!time) continue;
      const name = dayName(new Date(time.dateTime), now);
      if (name !== previous) row.dataset.day = name;
      else delete row.dataset.day;
      previous = name;
      const depth = row.dataset.parent ? Math.min(maxDepth, (depths.get(row.dataset.parent) ?? 0) + 1) : 0;
      if (depth > 1) row.dataset.depth = depth;
      else delete row.dataset.depth;
      if (row.dataset.key) depths.set(row.dataset.key, depth);
    }
    if (here && !here.isConnected) { // updated in place
      here = document.getElementById(here.id);
      if (here) here.dataset.at = 'here';
    }
    nameConversations(list);
    tellTimes(list);
    countUp(list);
  }

  // What time alone changes.
  function tick() {
    tellTimes();
    if (dressed !== today().toDateString()) dressRows();
  }

  // Rows name their conversation by its address alone; the list beside them knows the title.
  function nameConversations(list) {
    if (list.dataset.order !== 'desc') return;
    for (const link of $$('.conv', list)) {
      const name = document.querySelector(`.threads a[href="${link.getAttribute('href')}"] .name`);
      if (name) setText(link, name.textContent);
    }
  }

  // Which rows a reader had unfolded survives a reload and the way back. Only ids are kept, and only for this tab.
  const rememberedRows = 50;
  const openKey = 'worklog:open';

  function readOpen() {
    try {
      return JSON.parse(sessionStorage.getItem(openKey)) ?? [];
    } catch {
      return [];
    }
  }

  function rememberOpen(id, open) {
    const ids = readOpen().filter((other) => other !== id);
    if (open) ids.push(id);
    try {
      sessionStorage.setItem(openKey, JSON.stringify(ids.slice(-rememberedRows)));
    } catch { /* storage is full or forbidden: nothing is lost but the memory */ }
  }

  // ---- Keyboard ----

  function go(step) {
    const rows = [...$$('.row')].filter((row) => row.offsetParent);
    if (rows.length === 0) return;
    const at = rows.indexOf(here);
    let next = at + step;
    if (at < 0) next = step > 0 ? rows.findIndex((row) => row.getBoundingClientRect().bottom > 80) : rows.findLastIndex((row) => row.getBoundingClientRect().top < innerHeight - 40);
    stand(rows[Math.min(rows.length - 1, Math.max(0, next))]);
  }

  function stand(row) {
    here?.removeAttribute('data-at');
    here = row;
    row.dataset.at = 'here';
    (row.querySelector('summary') ?? row.querySelector('a'))?.focus({ preventScroll: true });
    row.scrollIntoView({ block: 'nearest' });
  }

  function goNewest() {
    const rows = [...$$('.row')].filter((row) => row.offsetParent);
    if (rows.length > 0) stand(feed()?.dataset.order === 'asc' ? rows[rows.length - 1] : rows[0]);
  }

  const keys = {
    j: () => go(1),
    k: () => go(-1),
    g: goNewest,
    o: () => here?.querySelector('.at, a.title')?.click(),
    '/': () => [...$$('input[type=search]')].findLast((field) => field.offsetParent)?.focus(),
    '?': openHelp,
  };

  function openHelp() {
    document.getElementById('help')?.showModal();
  }

  // Who speaks to the browser, or touches keys by accident, can turn them off; the help has the switch.
  const keysKey = 'worklog:keys', keySwitch = document.querySelector('#help input');
  function readKeys() {
    try {
      if (keySwitch) keySwitch.checked = localStorage.getItem(keysKey) !== 'off';
    } catch { /* storage is forbidden: the switch holds for this page */ }
  }
  readKeys();
  addEventListener('storage', readKeys);
  keySwitch?.addEventListener('change', () => {
    try {
      if (keySwitch.checked) localStorage.removeItem(keysKey);
      else localStorage.setItem(keysKey, 'off');
    } catch { /* see readKeys */ }
  });

  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') leaveMenu();
    if (!keySwitch?.checked) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]')) return;
    const act = Object.hasOwn(keys, event.key) && keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // ---- Small things ----

  function closeMenus(except) {
    for (const menu of $$('.menu[open]')) if (menu !== except) menu.open = false;
  }

  // Closes what is open for the keyboard, which goes on at the menu's button instead of at the top of the page.
  function leaveMenu() {
    const within = document.activeElement?.closest('.menu[open]');
    closeMenus();
    within?.querySelector('summary').focus();
  }

  async function copy(button) {
    const source = button.parentElement.querySelector('pre');
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    } catch { // plain http on another machine: no clipboard there
      getSelection().selectAllChildren(source);
    }
  }

  for (const element of $$('[data-copy], [data-scripted]')) element.hidden = false;

  addEventListener('click', (event) => {
    closeMenus(event.target.closest('.menu'));
    const button = event.target.closest('[data-copy]');
    if (button) copy(button);
    if (event.target.closest('[data-help]')) openHelp();
  });

  addEventListener('submit', async (event) => {
    const form = event.target.closest('.theme');
    if (!form || !event.submitter) return;
    event.preventDefault();
    const theme = event.submitter.value;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of $$('.theme button')) button.setAttribute('aria-pressed', String(button.value === theme));
    await fetch(form.action, { method: 'POST', body: new URLSearchParams({ theme }), redirect: 'manual' }).catch(() => {});
  });

  // What threads.js has put in place of an older list.
  document.addEventListener('worklog:listed', (event) => {
    for (const button of $$('[data-copy]', event.detail)) button.hidden = false;
    tellTimes(event.detail);
    if (feed()) nameConversations(feed());
    tellStates();
  });
  document.addEventListener('worklog:clock', (event) => {
    const offset = Date.now() - Date.parse(event.detail);
    if (!isNaN(offset)) ahead = offset;
  });

  // A conversation's title comes with its totals. One that is the same stays, for it may be selected; another one may have
  // more lines, and moves no row.
  document.addEventListener('htmx:oobBeforeSwap', (event) => {
    const { target, fragment } = event.detail;
    if (target.id !== 'log-title') return;
    event.detail.shouldSwap = false;
    const fresh = fragment.querySelector('#log-title');
    if (fresh.dataset.title === target.dataset.title) return;
    globalThis.worklogRows.keepPlace(() => target.replaceChildren(...fresh.childNodes));
    target.dataset.title = fresh.dataset.title;
    target.title = fresh.title;
    tellStates();
  });

  // The page of one entry shows all of it. Its row comes with the stream; when it has changed, the rest is fetched.
  const entryEvery = 300; // a burst of changes is one
  let fetchingEntry = 0;

  async function refreshEntry() {
    fetchingEntry = 0;
    const answer = await fetch(location.pathname, { headers: { Accept: 'text/html' }, cache: 'no-store' }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const id of ['entry-title', 'entry-whole']) {
      const old = document.getElementById(id), next = fresh.getElementById(id);
      if (!old || !next) continue;
      const unfolded = [...old.querySelectorAll('details')].map((part) => part.open);
      old.replaceChildren(...next.childNodes);
      old.querySelectorAll('details').forEach((part, i) => { part.open ||= unfolded[i] ?? false; });
      for (const { name, value } of next.attributes) old.setAttribute(name, value);
    }
    document.body.dataset.title = fresh.body.dataset.title;
    tellTimes();
    countUp();
    tellStates();
  }

  // Rows above the window must not move the ones in it. Browsers see to that, except at the very top. Who asked by keyboard
  // goes on at the first row that came, or where the link to still older ones is now: the one with the focus is replaced.
  document.addEventListener('htmx:beforeSwap', (event) => {
    const list = feed();
    if (!list || event.target !== list) return;
    const ascending = list.dataset.order === 'asc';
    const edge = ascending ? list.firstElementChild : list.lastElementChild;
    const before = edge?.getBoundingClientRect().top;
    const asked = document.activeElement?.closest('#older');
    list.addEventListener('htmx:afterSwap', () => {
      dressRows();
      if (ascending && edge?.isConnected) scrollBy(0, edge.getBoundingClientRect().top - before);
      if (!asked) return;
      const first = edge?.isConnected && (ascending ? edge.previousElementSibling : edge.nextElementSibling);
      if (first) stand(first);
      else document.querySelector('#older a:not([hidden])')?.focus();
    }, { once: true });
  });

  document.addEventListener('toggle', (event) => {
    const row = event.target.closest?.('#log-list > .row');
    if (row) rememberOpen(row.id, event.target.open);
  }, true);

  // The list and whatever could be replaced around it, but not the rows: their times change every second.
  const observer = new MutationObserver((changes) => {
    const list = feed();
    const news = changes.filter((change) => change.target === list || change.type === 'attributes');
    if (changes.some((change) => !list?.contains(change.target))) watch();
    else if (news.length === 0) return; // a time that was told anew
    dressRows();
    if (document.getElementById('entry-whole')) fetchingEntry ||= setTimeout(refreshEntry, entryEvery);
    document.dispatchEvent(new CustomEvent('worklog:news'));
    tellStates();
  });

  function watch() {
    observer.disconnect();
    // A row that live.js updates in place keeps its element and changes its rev.
    if (feed()) observer.observe(feed(), { childList: true, subtree: true, attributeFilter: ['data-rev'] });
    for (let element = feed()?.parentElement; element && element !== document.body; element = element.parentElement) observer.observe(element, { childList: true });
    if (!feed()) observer.observe(document.getElementById('main'), { childList: true });
    const head = document.querySelector('.head'); // a conversation's totals come with its stream
    if (head) observer.observe(head, { childList: true });
  }

  if (feed()) {
    const open = new Set(readOpen());
    for (const row of feed().children) {
      const details = open.has(row.id) && row.querySelector('details');
      if (details) details.open = true;
    }
    watch();
    dressRows();
  }
  document.addEventListener('htmx:load', (event) => tellTimes(event.detail.elt)); // what was asked for comes with the server's times
  document.addEventListener('htmx:oobAfterSwap', (event) => { if (event.target.closest?.('#board')) tellTimes(event.target.closest('section') ?? event.target); });

  tellTimes();
  countUp();
  tellStates();
  setInterval(() => { if (!document.hidden) countUp(); }, second);
  setInterval(() => { if (!document.hidden) tick(); }, 15 * second);
  setInterval(tellStates, second); // also of a hidden tab: its title is all that is seen of it
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { countUp(); tick(); } });
})();
