// What runs inside the page that is measured. Each function is sent to the browser as its text: nothing outside of it is there.

// Before any script of the page: notes when there is a first real row (of the symbols, of the ladder), and when one of those
// shown has changed. In ms since the navigation began; the page's own scripts are not touched.
export function watchFirstData() {
  const told = { row: null, live: null };
  const seen = new Map();
  const real = (text) => /\d/.test(text);
  let columns;

  const symbolRows = () => {
    const table = document.querySelector('.symbols table');
    if (!table) return [];
    const heads = [...table.querySelectorAll('thead th')].map((th) => th.textContent.replace(/[↑↓]/, ''));
    columns ??= ['Last', 'Bid', 'Ask'].map((name) => heads.indexOf(name));
    return [...table.querySelectorAll('tbody tr:not(.gap)')].map((tr) => [tr.querySelector('th').textContent, columns.map((i) => tr.cells[i]?.textContent).join(' ')]);
  };
  const levels = () => [...document.querySelectorAll('.ladder tbody tr:not(.gap)')].map((tr, i) => [i, tr.textContent]);

  const look = () => {
    const rows = location.pathname.startsWith('/market') ? levels() : symbolRows();
    for (const [key, text] of rows) {
      if (!real(text)) continue;
      told.row ??= performance.now();
      if (seen.has(key) && seen.get(key) !== text) told.live ??= performance.now();
      seen.set(key, text);
    }
    if (told.live !== null) watch.disconnect();
  };
  const watch = new MutationObserver(look);
  watch.observe(document, { subtree: true, childList: true, characterData: true });
  globalThis.firstData = told;
}

export function paints() {
  const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? null;
  const bytes = (list) => list.reduce((sum, entry) => sum + entry.transferSize, 0);
  return { paint: at('first-paint'), contentful: at('first-contentful-paint'), ...globalThis.firstData,
    transferred: bytes([...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]) };
}

// Lengths of the frames of SECONDS, in ms, as requestAnimationFrame tells them. PIXELS are scrolled in each frame in the box
// SELECTOR, to and fro; 0: nothing is. By frame, not by time: a frame is the same work whoever else uses the machine.
export function frames({ selector, seconds, pixels }) {
  const box = selector ? document.querySelector(selector) : null;
  const lengths = [];
  let before;
  let place = 0;
  let way = 1;
  let reached = 0;
  if (box) box.scrollTop = 0;
  return new Promise((resolve) => {
    const end = performance.now() + seconds * 1000;
    const step = (at) => {
      if (before !== undefined) {
        lengths.push(at - before);
        if (box && pixels > 0) {
          const most = box.scrollHeight - box.clientHeight;
          place += way * pixels;
          if (place <= 0 || place >= most) {
            place = Math.max(0, Math.min(most, place));
            way = -way;
          }
          reached = Math.max(reached, place);
          box.scrollTop = place;
        }
      }
      before = at;
      if (performance.now() < end) requestAnimationFrame(step);
      else resolve({ lengths, reached, height: box?.scrollHeight });
    };
    requestAnimationFrame(step);
  });
}
