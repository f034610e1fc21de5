// The lists of conversations follow what happens: the one beside every page, and the longer one of its own page. A
// stream brings the first by itself; the second, and without a stream both, are fetched when there is news. A hidden tab
// asks nothing, and catches up when it is looked at again.
(() => {
  'use strict';

  if (!document.getElementById('threads')) return;

  const second = 1000;
  const onList = location.pathname === '/conversations';
  const refreshEvery = (onList ? 1 : 5) * second;
  const lookEvery = 20 * second; // without a stream, when the tab is looked at; and after a failure
  const patience = 30 * second; // with an answer

  const streams = () => document.getElementById('live-status')?.dataset.state === 'live';

  // ---- What is shown ----

  const waiting = new Map(); // by selector: a newer list, until the keyboard has left the one that is shown

  // Puts a newer list in place of the one that is shown, unless somebody stands in it with the keyboard.
  function bring(selector, next) {
    const old = document.querySelector(selector);
    if (!old || !next) return;
    if (old.contains(document.activeElement)) {
      waiting.set(selector, next);
      return;
    }
    waiting.delete(selector);
    const current = document.querySelector('.threads [aria-current]')?.getAttribute('href');
    for (const link of selector === '#threads' ? next.querySelectorAll('a') : []) {
      if (link.getAttribute('href') === current) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    old.replaceChildren(...next.childNodes);
    document.dispatchEvent(new CustomEvent('worklog:listed', { detail: old }));
  }

  document.addEventListener('focusout', () => {
    if (waiting.size > 0) setTimeout(() => waiting.forEach((next, selector) => bring(selector, next)));
  });

  const parse = (html) => new DOMParser().parseFromString(html, 'text/html');

  // ---- What is asked for ----

  let timer = 0, asked = Date.now();
  let asking = false; // one question at a time: no answer overtakes another
  let missed = false; // there was news that nobody has asked for
  let told = 0; // lists that came without a question, and are newer than the answer to an older one

  function refreshSoon() {
    if (asking || document.hidden) missed = true;
    else timer ||= setTimeout(refresh, Math.max(0, asked + refreshEvery - Date.now()));
  }

  async function refresh() {
    timer = 0;
    missed = document.hidden;
    if (missed) return;
    asking = true;
    asked = Date.now();
    try {
      await fetchLists();
    } catch {
      asked += lookEvery;
      missed = true;
    }
    asking = false;
    if (missed) refreshSoon();
  }

  async function fetchLists() {
    const before = told;
    const answer = await fetch(`/conversations/changes${onList ? location.search : ''}`, { headers: { Accept: 'text/html', 'Worklog-User': document.body.dataset.user }, signal: AbortSignal.timeout(patience) });
    if (answer.redirected || answer.status === 401) return; // nobody is signed in, or another user
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = parse(await answer.text());
    if (told === before) bring('#threads', fresh.getElementById('threads'));
    if (onList) bring('#conversation-list', fresh.getElementById('conversation-list'));
  }

  // ---- What is heard ----

  document.addEventListener('worklog:threads', (event) => {
    told++;
    bring('#threads', parse(`<div id="threads">${event.detail}</div>`).getElementById('threads'));
    if (onList) refreshSoon();
  });
  // The whole page, after a gap that was too long to be told one by one.
  document.addEventListener('worklog:page', (event) => {
    told++;
    for (const id of ['threads', 'conversation-list']) bring(`#${id}`, event.detail.getElementById(id));
  });
  document.addEventListener('worklog:news', () => { if (!streams()) refreshSoon(); });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && (missed || !streams() && Date.now() - asked > lookEvery)) refreshSoon();
  });
})();
