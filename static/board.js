// The dashboard of a live page: pieces that replace themselves by their id. live.js brings them, and finds here what a
// list of entries has in rows.js.
(() => {
  'use strict';

  const board = document.getElementById('board');
  if (!board || !document.getElementById('live')) return;

  // A table that was unfolded stays so when its piece is replaced.
  document.addEventListener('htmx:oobBeforeSwap', (event) => {
    const { target, fragment } = event.detail;
    if (!board.contains(target)) return;
    for (const old of target.querySelectorAll('details[open] > summary[id]')) {
      const fresh = fragment.querySelector(`#${CSS.escape(old.id)}`);
      if (fresh) fresh.parentElement.open = true;
    }
    for (const old of target.querySelectorAll('.scroll')) {
      const { scrollTop, scrollLeft } = old;
      if (scrollTop || scrollLeft) queueMicrotask(() => document.querySelector(`#${CSS.escape(target.id)} .scroll`)?.scrollTo(scrollLeft, scrollTop));
    }
  });

  globalThis.worklogRows = {
    keepPlace: (change) => change(),
    atNewest: () => true, // there is nothing that could be moved from under a reader
    outdated: () => {},
    replace: (fresh) => board.replaceChildren(...fresh.children),
    reloadWith: () => {},
  };
})();
