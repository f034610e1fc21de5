// The connection of a page with a feed: it follows the page's stream, so that the list shows what a fresh page would
// show. rows.js puts the rows where they belong, board.js the pieces of a dashboard.
//
// htmx's SSE extension connects #live and swaps what arrives; this file remembers how far the page has come (the
// cursor), and says in the badge how it stands. What the server promises: a stream never answers anything but 200, and
// every "log" event has the change's number as its id. "bye" is final and gives the reason, "reset" asks for the page
// again; every other end is temporary, and the browser comes back by itself.
//
// #live stands outside the list and is only ever replaced, never changed: the extension binds to an element as it was.
(() => {
  'use strict';

  // Whatever a page asks says whose page it is: another user may have signed in in this browser since.
  document.addEventListener('htmx:configRequest', (event) => { event.detail.headers['Worklog-User'] = document.body.dataset.user ?? ''; });

  const list = document.getElementById('log-list') ?? document.getElementById('board');
  const rows = globalThis.worklogRows;
  const first = document.getElementById('live');
  if (!list || !rows || !first?.hasAttribute('sse-connect')) return;

  const helloWait = 8000; // a proxy may let the headers through and hold back the rest: only "hello" proves a stream
  const silencesAllowed = 2; // streams that say nothing, in a row, before the page asks instead
  const endsAllowed = 4; // and streams that are refused or end before they say anything
  const streamSoon = 5000; // how long it asks, before it tries to stream again: twice as long each time
  const streamLater = 5 * 60 * 1000; // and at most
  const longestRetry = 8000; // after which the server lets the browser come back by itself
  const longestBusy = 30000; // and when it is busy
  const quietLimit = 50 * 1000; // the server pings every 20 s
  const patience = 3000; // a drop that is mended sooner is not worth a word
  const maxPause = 10000; // between tries that the server refused
  const maxPauseAway = 2000; // and where nobody answers: as browsers do

  const template = first.cloneNode();
  const streamURL = template.getAttribute('sse-connect');
  const badge = document.getElementById('live-status');
  const tab = [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, '0')).join('');

  let cursor = BigInt(list.dataset.cursor);
  let generation = 0; // of the tab: each resume outranks the eviction before it
  let source = null; // the EventSource in use
  let over = ''; // why the page does not follow any more; 'evicted' can be resumed
  let waiting = false; // for the reader's word to load the page again
  let unfinished = null; // loads the page again, without which it can not follow
  let begun = ''; // the first event of the connection; none: nothing says that streams come through
  let silences = 0;
  let ends = 0;
  let failures = 0;
  let heard = Date.now(); // the last event of any kind
  let helloTimer, troubleTimer, retryTimer, streamTimer;

  // ---- The badge ----

  const words = { connecting: '', live: 'Live', reconnecting: 'Reconnecting', polling: 'Polling', paused: 'Paused', ended: 'Not live' };

  function show(state, why = '', action = null) {
    clearTimeout(troubleTimer);
    troubleTimer = undefined;
    if (!badge || badge.dataset.state === state && !why && !action) return; // said once, not at every rotation
    badge.dataset.state = state;
    badge.title = why;
    const reason = document.createElement('span'); // small screens have no room for it
    reason.className = 'why';
    reason.textContent = why && `: ${why}`;
    const word = document.createElement('span');
    word.append(words[state], reason);
    badge.replaceChildren(...(words[state] ? [word] : []), ...(action ? [action] : []));
  }

  // A drop is shown when it lasts: the hourly rotation of streams stays invisible.
  function trouble() {
    if (over || polling() || troubleTimer !== undefined || badge?.dataset.state === 'reconnecting') return;
    troubleTimer = setTimeout(() => show('reconnecting'), patience);
  }

  function button(text, act) {
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = text;
    b.addEventListener('click', act);
    return b;
  }

  function link(text, href) {
    const a = document.createElement('a');
    a.textContent = text;
    a.href = href;
    return a;
  }

  // A line above the list, for what the badge has no room for.
  function note(text, action) {
    let line = document.getElementById('live-note');
    if (!line) {
      line = document.createElement('p');
      line.id = 'live-note';
      line.className = 'teamnote';
      line.setAttribute('role', 'status');
      rows.keepPlace(() => (list.closest('.feed') ?? list).before(line));
    }
    line.replaceChildren(`${text} `, ...(action ? [action] : []));
  }

  // ---- The connection ----

  const polling = () => document.getElementById('live')?.hasAttribute('hx-get');

  function replaceLive(element) {
    document.getElementById('live').replaceWith(element);
    htmx.process(element);
  }

  function disconnect() {
    for (const t of [helloTimer, retryTimer, streamTimer]) clearTimeout(t);
    source?.close();
    source = null;
  }

  function connect() {
    if (over || waiting) return;
    if (unfinished) {
      unfinished();
      return;
    }
    disconnect();
    heard = Date.now();
    replaceLive(template.cloneNode());
  }

  // The extension calls this for a connector that appears.
  htmx.createEventSource = (url) => {
    const u = new URL(url, location.href);
    u.searchParams.set('after', cursor);
    u.searchParams.set('tab', `${tab}.${generation}`);
    u.searchParams.set('epoch', list.dataset.epoch);
    u.searchParams.set('user', document.body.dataset.user);
    const s = new EventSource(u);
    // The extension would answer every drop with an error in the console, and a refusal with tries for ever, without a
    // cursor and from elements that are long gone. connect does that better.
    Object.defineProperty(s, 'onerror', { value: null, writable: true });
    source = s;
    begun = '';
    const on = (name, act) => s.addEventListener(name, (event) => {
      if (s !== source) return;
      heard = Date.now();
      begun ||= name;
      act(event);
    });
    on('hello', (event) => { advance(event.lastEventId); greeted(JSON.parse(event.data)); });
    on('ping', (event) => advance(event.lastEventId));
    on('log', () => {});
    on('stats', () => {});
    on('board', () => {});
    on('threads', (event) => tell('threads', event.data));
    on('reset', fellBehind);
    on('bye', (event) => leave(event.data));
    s.addEventListener('error', () => {
      if (s === source) failed(s.readyState);
    });
    helloTimer = setTimeout(silent, helloWait);
    return s;
  };

  function advance(id) {
    if (/^\d+$/.test(id) && BigInt(id) > cursor) cursor = BigInt(id);
  }

  // What others make of it: the lists of conversations, the server's clock.
  function tell(name, detail) {
    document.dispatchEvent(new CustomEvent(`worklog:${name}`, { detail }));
  }

  function greeted(hello) {
    tell('clock', hello.now);
    clearTimeout(helloTimer);
    silences = ends = failures = 0;
    show('live');
    const shown = document.body.dataset.version;
    if (hello.version && shown && hello.version !== shown) note('Worklog has been updated.', button('Reload the page', () => location.reload()));
  }

  // A stream that was dropped is opened again by the browser. One that was refused (a proxy's 503) is closed.
  function failed(state) {
    clearTimeout(helloTimer);
    trouble();
    if (!begun && ++ends >= endsAllowed) {
      poll(Math.min(streamLater, streamSoon * 2 ** (ends - endsAllowed)));
      return;
    }
    const wait = helloWait + (begun && begun !== 'hello' ? longestBusy : longestRetry);
    begun = '';
    if (state === EventSource.CLOSED) connectSoon(maxPause);
    else helloTimer = setTimeout(silent, wait);
  }

  function connectSoon(most) {
    disconnect();
    const pause = Math.min(most, 500 * 2 ** failures++);
    retryTimer = setTimeout(connect, pause * (0.75 + Math.random() / 2));
  }

  // Neither an event nor an error: something eats the stream.
  function silent() {
    trouble();
    if (++silences < silencesAllowed) connect();
    else poll(streamLater);
  }

  // The answer brings the next question with it, and with it the pause before it.
  function poll(pause) {
    disconnect();
    const url = new URL(streamURL, location.href);
    url.pathname = url.pathname.replace(/stream$/, 'changes');
    url.searchParams.set('after', cursor);
    url.searchParams.set('epoch', list.dataset.epoch);
    const poller = document.createElement('div');
    poller.id = 'live';
    poller.hidden = true;
    poller.setAttribute('hx-get', url.pathname + url.search);
    poller.setAttribute('hx-trigger', 'load, every 15s');
    poller.setAttribute('hx-swap', 'outerHTML');
    replaceLive(poller);
    silences = silencesAllowed - 1; // the next stream has one chance
    ends = Math.max(ends, endsAllowed - 1);
    streamTimer = setTimeout(connect, pause);
  }

  // Not only streams fail, the server is away: they are what is tried again, as soon as it may be back.
  function unanswered(most) {
    show('reconnecting');
    ends = endsAllowed - 1;
    connectSoon(most);
  }

  document.addEventListener('htmx:load', (event) => {
    const poller = event.target;
    if (poller.id !== 'live' || !('cursor' in poller.dataset)) return;
    heard = Date.now();
    failures = 0;
    if ('reset' in poller.dataset) {
      fellBehind();
      return;
    }
    show('polling', badge?.dataset.state === 'polling' ? '' : 'something on the way holds back the stream');
    if (BigInt(poller.dataset.cursor) > cursor) tell('news');
    advance(poller.dataset.cursor);
  });

  document.addEventListener('htmx:responseError', (event) => {
    const { status } = event.detail.xhr;
    if (status === 401 && (!over || over === 'evicted')) leave('signed-out'); // whatever of the page asked
    else if (event.target.id !== 'live') return;
    else if (status === 404) leave('gone');
    else unanswered(maxPause);
  });
  document.addEventListener('htmx:sendError', (event) => {
    if (event.target.id === 'live') unanswered(maxPauseAway);
  });

  // Nothing comes until the page connects again: a poller that stayed would ask on.
  function stop() {
    disconnect();
    const stopped = document.createElement('div');
    stopped.id = 'live';
    stopped.hidden = true;
    document.getElementById('live').replaceWith(stopped);
  }

  // Told one by one, the changes would leave a hole.
  function fellBehind() {
    stop();
    reload(false);
  }

  function leave(reason) {
    over = reason;
    stop();
    const here = encodeURIComponent(location.pathname + location.search);
    switch (reason) {
      case 'evicted':
        show('paused', 'too many open pages', button('Resume', resume));
        break;
      case 'signed-out':
        show('ended', 'signed out', link('Sign in', `/login?next=${here}`));
        break;
      case 'gone':
        show('ended', 'deleted');
        note('This conversation was deleted, or is not shared with you any more. Entries of yours stay in', link('your activity', '/'));
        break;
      default:
        show('ended', reason);
    }
  }

  function resume() {
    if (over !== 'evicted') return;
    over = '';
    generation++;
    show('connecting');
    connect();
  }

  // Whoever looks at a page wants it to follow. Pages that nobody looks at never push another one aside.
  function lookedAt() {
    if (document.hidden) return;
    if (over === 'evicted') resume();
    else check();
  }

  // A laptop that slept, a network that changed: the stream looks open and is dead.
  function check() {
    if (!over && !document.hidden && Date.now() - heard > quietLimit) connect();
  }

  setInterval(check, 10000);
  document.addEventListener('visibilitychange', lookedAt);
  addEventListener('focus', lookedAt);
  addEventListener('online', connect);
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => { if (event.persisted) connect(); });

  document.addEventListener('htmx:sseBeforeMessage', (event) => {
    const { type, lastEventId } = event.detail;
    if ((type === 'log' || type === 'board') && BigInt(lastEventId) <= cursor || type === 'bye' || type === 'reset') event.preventDefault();
  });
  document.addEventListener('htmx:sseMessage', (event) => {
    if (event.detail.type === 'log' || event.detail.type === 'board') advance(event.detail.lastEventId);
  });

  // ---- The whole feed again ----

  let reloading = false;

  // Loads the page again and takes its list and cursor, which are of one moment. A reader who is elsewhere is asked first,
  // also one who went there while it was being loaded.
  async function reload(agreed) {
    rows.outdated();
    if (mustAsk(agreed) || reloading) return;
    unfinished = () => reload(agreed);
    reloading = true;
    stop();
    trouble();
    try {
      const page = await fetchFeed();
      if (page && !mustAsk(agreed)) {
        take(page);
        unfinished = null;
        failures = 0;
        connect();
      }
    } catch {
      const pause = Math.min(maxPause, 1000 * 2 ** failures++);
      retryTimer = setTimeout(connect, pause * (0.75 + Math.random() / 2));
    } finally {
      reloading = false;
    }
  }

  function mustAsk(agreed) {
    waiting = !agreed && !rows.atNewest();
    if (waiting) show('paused', 'newer entries are waiting');
    return waiting;
  }

  async function fetchFeed() {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: 'text/html', 'Worklog-User': document.body.dataset.user }, cache: 'no-store', signal: AbortSignal.timeout(30000) });
    if (answer.redirected || answer.status === 401) return leave('signed-out');
    if (answer.status === 404) return leave('gone');
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!page.getElementById(list.id)) throw new Error('the page has nothing to show');
    return page;
  }

  function take(page) {
    const fresh = page.getElementById(list.id);
    list.dataset.cursor = fresh.dataset.cursor;
    list.dataset.epoch = fresh.dataset.epoch;
    cursor = BigInt(fresh.dataset.cursor);
    for (const id of ['older', 'log-title', 'log-facts', 'entry-title', 'entry-whole']) {
      const part = page.getElementById(id);
      if (part) document.getElementById(id)?.replaceWith(part);
      if (part) htmx.process(part);
    }
    rows.replace(fresh);
    tell('page', page);
  }

  rows.reloadWith(() => reload(true));
  show('connecting');
})();
